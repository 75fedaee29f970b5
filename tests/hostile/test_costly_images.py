"""Small files that would take gigabytes or hours are errors of their image, and the others have their rows.

Limits are set on the processes that decode: an image that needs more than is asserted here ends its process.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile_images import (
    gif_of_comments,
    jpeg_of_scans,
    jpeg_of_segments,
    png_of_chunks,
    real_files,
    slow_ppm,
    tall_png,
    tiff_of_tile,
)
from refusals import refused
from results_made import write_localized
from squares import Scene, write

from weakspot.cli.app import main
from weakspot.data import DecoderPool, read_image
from weakspot.data.decoder_limits import DecodingLimits
from weakspot.data.decoding import read_downscaled
from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.near_duplicates import near_duplicates
from weakspot.models import resize_image
from weakspot.ops import mask_from_heatmap
from weakspot.ops.preprocessing import Preprocessing

SIZE = {"height": 224, "width": 224}
SPLITS = ("train", "val", "test")
TINY = "--backbone test_efficientnet --weights none --input-size 64 --workers 0 --epochs 1 --max-unreadable 0.5"
REFUSED = {
    "scans.jpg": (jpeg_of_scans(1001), "image-too-complex"),
    "pixels of scans.jpg": (jpeg_of_scans(30, 10_000), "image-too-complex"),
    "exif.jpg": (jpeg_of_segments(1025), "image-too-complex"),
    "filling.jpg": (jpeg_of_segments(65_537, b"\xff"), "image-too-complex"),
    "junk.jpg": (jpeg_of_segments(65_537, b"\0"), "image-too-complex"),
    "comments.gif": (gif_of_comments(4097), "image-too-complex"),
    "small comments.gif": (gif_of_comments(4097, 1), "image-too-complex"),
    "chunks.png": (png_of_chunks(131_073), "image-too-complex"),
    "tile.tiff": (tiff_of_tile(30_000, 20_000), "image-too-large"),
}
ACCEPTED = {
    "scans.jpg": jpeg_of_scans(100),
    "exif.jpg": jpeg_of_segments(500),
    "comments.gif": gif_of_comments(1000),
    "chunks.png": png_of_chunks(1000),
    **real_files(),
}


@pytest.fixture(scope="module")
def small_decoders():
    """A decoder of 64 MB for an image without pixels, and little more than two seconds."""
    with DecoderPool(1, DecodingLimits(memory=2**26)) as decoders:
        yield decoders


@pytest.mark.parametrize(("content", "code"), REFUSED.values(), ids=REFUSED)
def test_a_structure_that_costs_too_much_is_refused(content, code, tmp_path):
    with refused(code, "The image"):
        read_image(content)
    file = tmp_path / "image"
    file.write_bytes(content)
    with refused(code, file):
        read_downscaled(file, **SIZE)


@pytest.mark.parametrize("content", ACCEPTED.values(), ids=ACCEPTED)
def test_an_ordinary_structure_is_accepted(content):
    assert read_image(content).width in (64, 96)


@pytest.mark.parametrize(("width", "height"), [(2, 400_000), (400_000, 2)])
@pytest.mark.parametrize("resize", [False, True])
def test_extreme_sides_are_decoded_and_resized_in_bounded_memory(width, height, resize, small_decoders):
    pixels, size = small_decoders.read(tall_png(width, height), **SIZE, resize=resize)
    assert size == (height, width)
    assert max(pixels.shape) <= 65_536
    assert (pixels == 128).all()


def test_extreme_sides_are_resized_by_torch_hashed_and_drawn(tmp_path):
    file = tmp_path / "tall.png"
    file.write_bytes(tall_png(2, 200_000))
    with limited_memory(2**28):
        assert (resize_image(read_image(file), Preprocessing()) == 128).all()
        assert near_duplicates([file]).tolist() == [0]
        mask = mask_from_heatmap(np.eye(224), height=2_000_000, width=2)
    assert mask.shape == (2_000_000, 2)


def test_a_tile_within_the_limit_still_needs_its_memory(small_decoders):
    with refused("decoding-out-of-memory", "The image"):
        small_decoders.read(tiff_of_tile(9000, 9000), **SIZE)


def test_decoding_that_takes_too_long_is_ended_and_the_next_image_is_decoded():
    with DecoderPool(1, DecodingLimits(cpu_seconds=0.2)) as decoders:
        with refused("decoding-too-slow", "The image"):
            decoders.read(slow_ppm(10_000_000), **SIZE)
        assert decoders.read(real_files()["plain.jpg"], **SIZE)[1] == (64, 96)


def test_a_run_lists_costly_images_and_localizes_the_others(exported_run, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    good = {"a.jpg": real_files()["plain.jpg"], "tall.png": tall_png(2, 300_000), "z.png": real_files()["rgb.png"]}
    costly = {name: content for name, (content, _) in REFUSED.items()} | {"slow.ppm": slow_ppm(30_000_000)}
    for name, content in (good | costly).items():
        (images / name).write_bytes(content)
    command = ["localize", str(images), "--model", str(exported_run[0].path), "--output", str(tmp_path / "out")]
    done = run_limited(command)
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0)
    assert names_in(tmp_path / "out" / "boxes.jsonl") == sorted(good)
    assert names_in(tmp_path / "out" / "skipped.jsonl") == sorted(costly)


@pytest.fixture(scope="module")
def small_limits():
    """Decoders of 64 MB for an image without pixels and little CPU time, which take the place of those of a command."""
    with decoding_apart(DecodingLimits(cpu_seconds=0.3, memory=2**26)):
        yield


@pytest.fixture(scope="module")
def costly_data(tmp_path_factory, small_limits, one_thread):
    """A data set of which an image of each split is costly, and a run trained on it."""
    folder = tmp_path_factory.mktemp("costly")
    sides = {"red": (20, 10, 80, 60), "green": (50, 30, 110, 75)}
    names = [(split, color, i) for split in SPLITS for color in sides for i in range(2 + 6 * (split == "val"))]
    scenes = [Scene(f"{color}/{split}{i}", ((color, sides[color]),), split) for split, color, i in names]
    data = write(folder / "data", scenes)
    for split, content in zip(
        SPLITS, (slow_ppm(5_000_000), tiff_of_tile(9000, 9000), slow_ppm(5_000_000)), strict=True
    ):
        (data / f"images/red/{split}0.png").write_bytes(content)
    assert main(["train", str(data), *TINY.split(), "--output", str(folder / "run")]) == 1
    return folder


@pytest.mark.exhaustive
def test_training_skips_costly_images(costly_data):
    assert names_in(costly_data / "run" / "skipped.jsonl") == ["train0.png", "val0.png"]


@pytest.mark.exhaustive
def test_costly_images_count_as_wrong(costly_data, tmp_path, capsys):
    run, data = str(costly_data / "run"), str(costly_data / "data")
    assert main(["evaluate", run, data, "--output", str(tmp_path / "evaluated")]) == 1
    rows = [json.loads(line) for line in (tmp_path / "evaluated" / "images.jsonl").read_text().splitlines()]
    assert [row["image"] for row in rows if row["problem"]] == ["red/test0"]
    assert main(["compare", run, data, "--methods", "cam", "--output", str(tmp_path / "compared")]) == 1
    assert capsys.readouterr().out.count("2 images could not be read") == 2


def test_a_costly_image_has_no_thumbnail(small_limits, tmp_path, capsys):
    folder = write_localized(tmp_path / "localized")
    (tmp_path / "photos" / "a.jpg").write_bytes(slow_ppm(5_000_000))
    assert main(["report", str(folder)]) == 1
    assert "1 images could not be read" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_thresholds_are_fitted_without_costly_images(costly_data, capsys):
    assert main(["threshold", str(costly_data / "run"), str(costly_data / "data")]) == 0
    assert "of 20 boxes" in capsys.readouterr().out


@pytest.mark.exhaustive
def test_costly_images_are_issues_of_a_data_set(costly_data, capsys):
    assert main(["check", str(costly_data / "data")]) == 1
    assert "3 x file that is not an image" in capsys.readouterr().out


def names_in(file):
    return sorted(Path(json.loads(line)["image"]).name for line in file.read_text().splitlines())


def run_limited(command):
    """Run a command in a process with two gigabytes of address space and a minute of CPU time."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "weakspot", *command]
    return subprocess.run(
        words, env=environment, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=300
    )


class limited_memory:  # noqa: N801 - a context manager
    """Limits the address space of this process to some bytes more than it has."""

    def __init__(self, more):
        self.more = more

    def __enter__(self):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + self.more, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_AS, self.before)
