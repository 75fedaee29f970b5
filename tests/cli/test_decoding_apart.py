"""Commands decode image files in other processes only, whose pool is one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_graphs import run_folder

from weakspot.cli.app import main
from weakspot.data import DecoderPool
from weakspot.data.decoding_apart import active_decoders, decoding_apart


@pytest.fixture
def pools(tmp_path, monkeypatch):
    """Two images and a run in the working folder, and the pools that a command makes; this process decodes nothing."""
    monkeypatch.chdir(tmp_path)
    run_folder(Path("run"))
    for i in range(2):
        file = Path("images/cat", f"{i}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(file)
    made = []

    def make(pool, *arguments, original=DecoderPool.__init__, **options):
        made.append(pool)
        original(pool, *arguments, **options)

    def fail(*_):
        raise AssertionError("an image was decoded in this process")

    monkeypatch.setattr(DecoderPool, "__init__", make)
    monkeypatch.setattr("weakspot.data.decoding.open_image", fail)
    return made


@pytest.mark.parametrize("source", ["images/cat/0.png", "images"])
def test_images_are_localized_and_drawn(source, pools):
    assert main(["localize", source, "--model", "run", "--save-plots", "--output", "out"]) == 0
    assert len(list(Path("out/plots").rglob("*.png"))) == (1 if source.endswith("png") else 2)
    assert len(pools) == 1


def test_images_of_labels_are_read(pools):
    assert main(["label", "run", "images", "--format", "yolo", "--output", "labels"]) == 0
    assert len(pools) == 1
    words = ["--format", "yolo", "--images", "images", "--use-predictions", "--output", "in"]
    assert main(["label", "--import", "labels/yolo", *words]) == 0
    assert len(pools) == 2


def test_a_context_uses_the_decoders_it_is_given_or_those_of_the_one_around_it():
    with DecoderPool(1) as given:
        with decoding_apart(decoders=given) as outer, decoding_apart() as inner:
            assert given is outer is inner is active_decoders()
        assert active_decoders() is None
