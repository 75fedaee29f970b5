"""Pipes, sockets, devices, circles of links, links to nothing or to themselves, and files whose reading fails."""

import json
import os
import socket
from pathlib import Path

import pytest
from hostile_images import real_files
from refusals import refused

from weakspot.cli.app import main
from weakspot.data import Preprocessing, Sample, find_images, read_image
from weakspot.data.decoding import read_sizes
from weakspot.data.exact_duplicates import exact_duplicates
from weakspot.data.formats.walk import files_below
from weakspot.data.image_index import index_files
from weakspot.data.near_duplicates import near_duplicates
from weakspot.data.passed_over import passed_over
from weakspot.training.dataset import verify_images

UNREADABLE = "/proc/self/mem"  # a regular file by its kind, whose first bytes give an input/output error


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Two images among what is none."""
    monkeypatch.chdir(tmp_path)
    folder = Path("images")
    folder.mkdir()
    for name in ("a.jpg", "z.jpg"):
        (folder / name).write_bytes(real_files()["plain.jpg"])
    (folder / "broken.jpg").symlink_to(UNREADABLE)
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "circle").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("images/socket.jpg")
    return folder


def names_in(file):
    return [json.loads(line)["image"] for line in Path(file).read_text().splitlines()]


SPECIAL = ["images/device.jpg", "images/pipe.jpg", "images/socket.jpg"]
UNREADABLE_IMAGES = ["images/broken.jpg", "images/gone.jpg", "images/itself.jpg"]
IMAGES = ["images/a.jpg", *UNREADABLE_IMAGES, "images/z.jpg"]


def test_what_is_no_file_is_passed_over_and_named(images):
    for source in ("images", "images/*.jpg"):
        assert [path.as_posix() for path in find_images([source])] == IMAGES
        assert [path.as_posix() for path in passed_over([source])] == SPECIAL
    assert [f"images/{name}" for name in files_below(images)] == IMAGES


@pytest.mark.parametrize("name", [*SPECIAL, "images"])
@pytest.mark.parametrize("read", [read_image, read_sizes])
def test_what_is_no_file_is_refused_without_opening_it(images, name, read):
    with refused("image-unreadable", name):
        read(Path(name))


def test_a_circle_of_links_is_walked_once(images):
    assert [path.as_posix() for path in find_images(["**/*.jpg"])] == IMAGES


@pytest.mark.parametrize("read", [read_image, read_sizes])
def test_an_error_of_reading_is_that_of_the_image(images, read):
    with refused("image-unreadable", "images/broken.jpg"):
        read(images / "broken.jpg")


def test_an_error_of_reading_is_that_of_the_image_everywhere(images, tmp_path):
    paths = [images / name for name in ("a.jpg", "broken.jpg", "z.jpg")]
    assert near_duplicates(paths).tolist() == [0, 1, 0]
    assert exact_duplicates(dict.fromkeys(paths, 7)) == [[paths[0], paths[2]]]
    assert index_files({"a": paths[0], "b": paths[1]}).size("b") is None
    found = verify_images([Sample(path.name, path) for path in paths], Preprocessing(8, 8), workers=1)
    assert [sample.image_id for sample in found.samples] == ["a.jpg", "z.jpg"]
    assert [item.error.code for item in found.unreadable] == ["image-unreadable"]


def test_a_run_lists_them_and_localizes_the_others(images, exported_run, capsys):
    for folder, options in (("out", []), ("shards", ["--shard", "1/1"])):
        model = ["--model", str(exported_run[0].path)]
        assert main(["localize", "images", *model, "--output", folder, *options]) == 1
        assert names_in(next(Path(folder).glob("boxes*.jsonl"))) == ["images/a.jpg", "images/z.jpg"]
        assert names_in(next(Path(folder).glob("skipped*.jsonl"))) == UNREADABLE_IMAGES
        assert "pipe.jpg" in capsys.readouterr().out


def test_labels_list_them_and_have_the_others(images, exported_run):
    assert main(["label", str(exported_run[0].path), "images", "--output", "labels"]) in (0, 1)
    assert "images/broken.jpg" in names_in("labels/problems.jsonl")
    assert "z.jpg" in Path("labels/review.csv").read_text()


@pytest.mark.parametrize("name", ["images/pipe.jpg", "images/broken.jpg"])
def test_one_that_is_named_alone_is_an_error_of_two_lines(images, exported_run, name, capsys):
    assert main(["localize", name, "--model", str(exported_run[0].path), "--output", "out"]) == 2
    printed = capsys.readouterr().err
    assert name in printed
    assert "Traceback" not in printed


def test_a_check_finds_what_a_run_would_skip(images, capsys):
    Path("data/cat").mkdir(parents=True)
    for path in list(images.glob("*.jpg")):
        path.rename(Path("data/cat", path.name))
    assert main(["check", "data"]) == 1
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("broken.jpg", "itself.jpg", "pipe.jpg"))
