"""Boxes of VOC, names of images, and folders that are written as a whole."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.data.formats.voc import inclusive
from weakspot.labels.image_names import common_folder, names_below
from weakspot.labels.output_folder import atomic_folder, link_or_copy


@pytest.mark.parametrize(
    ("box", "sides"),
    [
        pytest.param((0, 0, 10, 8), (1, 1, 10, 8), id="the whole image"),
        pytest.param((0.5, 1.49, 2.5, 2.49), (2, 2, 3, 2), id="halves go right and down"),
        pytest.param((9.7, 7.6, 10, 8), (10, 8, 10, 8), id="a sliver at the end is the last pixel"),
        pytest.param((3.1, 3.1, 3.2, 3.2), (4, 4, 4, 4), id="a box within a pixel is that pixel"),
    ],
)
def test_boxes_of_voc_are_rounded_to_edges_of_pixels(box, sides):
    assert inclusive(box, height=8, width=10) == sides


@given(st.lists(st.floats(0, 10), min_size=4, max_size=4, unique=True))
def test_boxes_of_voc_have_a_pixel_and_lie_in_the_image_within_half_a_pixel(numbers):
    x1, x2, y1, y2 = *sorted(numbers[:2]), *sorted(numbers[2:])
    xmin, ymin, xmax, ymax = inclusive((x1, y1, x2, y2), height=10, width=10)
    assert 1 <= xmin <= xmax <= 10
    assert 1 <= ymin <= ymax <= 10
    assert max(abs(xmin - 1 - x1), abs(ymin - 1 - y1)) <= 1
    assert x2 - x1 < 1 or max(abs(xmin - 1 - x1), abs(xmax - x2)) <= 0.5


def test_names_tell_images_apart_even_without_their_suffixes():
    paths = [Path("p/a.jpg"), Path("p/a.png"), Path("p/A.gif"), Path("p/a-2.jpg"), Path("p/b/a.jpg")]
    assert names_below(Path("p"), paths) == ["a.jpg", "a-3.png", "A-4.gif", "a-2.jpg", "b/a.jpg"]
    assert common_folder(paths) == Path.cwd() / "p"


def test_a_folder_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")

    def fail():
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "new.txt").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["out", "out/old.txt"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_folder_that_is_interrupted_between_two_names_is_put_back(tmp_path, monkeypatch, failing):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    rename, calls = Path.rename, []

    def interrupted(path, target):
        calls.append(path)
        if len(calls) == failing == 2:
            raise KeyboardInterrupt
        rename(path, target)
        if len(calls) == failing:
            raise KeyboardInterrupt

    def replace():
        with atomic_folder(tmp_path / "out"):
            monkeypatch.setattr(Path, "rename", interrupted)

    with pytest.raises(KeyboardInterrupt):
        replace()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["out", "out/old.txt"]


def test_a_link_leads_to_the_file_itself(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a")
    link_or_copy(tmp_path / "a.jpg", tmp_path / "one/a.jpg", "link")
    link_or_copy(tmp_path / "one/a.jpg", tmp_path / "two/a.jpg", "link")
    (tmp_path / "one/a.jpg").unlink()
    assert (tmp_path / "two/a.jpg").read_bytes() == b"a"


def test_images_are_linked_or_copied_and_a_missing_one_is_said(tmp_path):
    source = tmp_path / "a.jpg"
    source.write_bytes(b"a")
    link_or_copy(source, tmp_path / "link/a.jpg", "link")
    link_or_copy(source, tmp_path / "copy/a.jpg", "copy")
    link_or_copy(source, tmp_path / "none/a.jpg", "none")
    assert (tmp_path / "link/a.jpg").samefile(source)
    assert (tmp_path / "copy/a.jpg").read_bytes() == b"a"
    assert not (tmp_path / "copy/a.jpg").is_symlink()
    assert not (tmp_path / "none").exists()
    with refused("not-writable", "gone.jpg"):
        link_or_copy(tmp_path / "gone.jpg", tmp_path / "copy/b.jpg", "copy")
