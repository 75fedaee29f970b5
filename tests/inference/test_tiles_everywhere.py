"""Tiles in a file of export, in commands and in the service give what a Localizer gives."""

import json

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from small_graphs import random_images, run_folder

import weakspot as ws
from weakspot.cli.app import main
from weakspot.data import DecoderPool
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.command_options import localizer_options
from weakspot.inference.export.exporter import describe
from weakspot.labels.options import LabelOptions

TILES = 64


@pytest.fixture(scope="module")
def image():
    return np.concatenate(random_images(3, size=(150, 70), seed=3), axis=1)


@pytest.fixture(scope="module")
def file(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(image).save(path)
    return path


@pytest.fixture(scope="module")
def tiled(exported_run):
    outcome, _ = exported_run
    return ws.Localizer(outcome.path.parent, backend="torch", tiles=TILES)


@pytest.mark.parametrize("how", [{}, {"top_k": 3}, {"classes": ["owl", "cat"]}], ids=["one", "several", "chosen"])
def test_a_file_equals_pytorch(exported_run, tiled, image, how):
    outcome, _ = exported_run
    found, expected = ws.Localizer(outcome.path, tiles=TILES)(image, **how), tiled(image, **how)
    for one, other in zip(found, expected, strict=True):
        assert (one.label, one.notes) == (other.label, other.notes)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-3)


def test_a_file_knows_the_class_thresholds_that_are_in_its_graph(tmp_path):
    levels = (0.2, 0.5, 0.4, 0.3)
    run = ws.Localizer(run_folder(tmp_path, class_thresholds=levels))
    assert describe(run, "run").info.class_thresholds == levels
    assert describe(run.with_options(threshold=0.6), "run").info.class_thresholds == ()


def test_files_that_are_decoded_in_other_processes_are_the_same(tiled, image, file, exported_run):
    outcome, _ = exported_run
    with DecoderPool(size=1) as decoders:
        one = ws.Localizer(outcome.path.parent, backend="torch", tiles=TILES, decoders=decoders)
        found = one(file)
        too_large = ws.Localizer(outcome.path.parent, backend="torch", tiles=TILES, decoders=decoders, max_pixels=9)
        with refused("image-too-large", 9):
            too_large(file)
    np.testing.assert_allclose(found.heatmap, tiled(image).heatmap, atol=1e-5)


def test_localize_writes_the_same_boxes_and_large_heatmaps(tiled, file, exported_run, tmp_path):
    outcome, _ = exported_run
    words = ["localize", str(file), "--model", str(outcome.path), "--tiles", str(TILES), "--boxes", "all"]
    assert main([*words, "--save-heatmaps", "--save-plots", "--output", str(tmp_path / "out")]) == 0
    (row,) = (json.loads(line) for line in (tmp_path / "out" / "boxes.jsonl").read_text().splitlines())
    np.testing.assert_allclose(row["boxes"], tiled.with_options(boxes="all")(file).boxes, atol=2)
    (heatmap,) = (tmp_path / "out" / "heatmaps").rglob("*.png")
    with Image.open(heatmap) as opened:
        assert opened.size == (105, 75)
    assert main(["report", str(tmp_path / "out")]) == 0
    assert main([*words[:-4], "--output", str(tmp_path / "out"), "--resume"]) == 2  # other settings


@pytest.mark.parametrize("value", ["7", "some"])
def test_an_impossible_size_is_a_user_error(file, value, capsys):
    assert main(["localize", str(file), "--tiles", value]) == 2
    assert value in capsys.readouterr().err


@pytest.mark.parametrize("options", [LocalizeOptions(tiles="auto"), LabelOptions(tiles="auto")])
def test_commands_hand_the_option_on(options):
    assert localizer_options(options).tiles == "auto"


def test_the_service_localizes_in_tiles(tiled, file):
    batching = pytest.importorskip("weakspot.serving.batching")
    from weakspot.serving.options import ServeOptions

    assert localizer_options(ServeOptions(tiles=TILES)).tiles == TILES
    service = batching.BatchingLocalizer(tiled)
    try:
        found = service.localize(file.read_bytes(), method="cam", top_k=2)
    finally:
        assert service.close(timeout=60)
    np.testing.assert_allclose(found.heatmap, tiled(file, top_k=2).heatmap, atol=1e-5)
