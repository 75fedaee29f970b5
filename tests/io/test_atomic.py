import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from refusals import refused

from weakspot.io.atomic import atomic_write, save_image

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


def write_half(path, error):
    with atomic_write(path) as file:
        file.write(b"half")
        raise error


def test_file_is_written_and_its_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    write(path)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_reader_finds_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert Path(file.name).parent == tmp_path  # the same disk, so that renaming is one step
        assert Path(file.name).name.startswith(".weakspot-")
    assert path.read_bytes() == b"new"


def test_file_is_whole_when_it_gets_its_name(tmp_path, monkeypatch):
    rename, contents = Path.replace, []
    monkeypatch.setattr(Path, "replace", lambda self, to: contents.append(self.read_bytes()) or rename(self, to))
    write(tmp_path / "file.txt", b"not a byte is in a buffer")
    assert contents == [b"not a byte is in a buffer"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_when_writing_fails_the_old_file_stays_and_nothing_else_is_left(error, tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("folder", "Is a directory", id="a folder in its place"),
        pytest.param("file/new.txt", "File exists", id="a file in its folder's place"),
        pytest.param("file/deeper/new.txt", "Not a directory", id="a file in its folder's parent's place"),
    ],
)
def test_path_that_cannot_be_written_is_refused(name, reason, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    with refused("not-writable", tmp_path / name, reason):
        write(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_those_of_any_new_file(mask, tmp_path):
    before = os.umask(mask)
    try:
        write(tmp_path / "replaced.txt")
        (tmp_path / "plain.txt").touch()
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "replaced.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


@given(st.binary(), st.binary())
@settings(deadline=None)
def test_bytes_replace_any_previous_content(tmp_path_factory, old, new):
    path = tmp_path_factory.getbasetemp() / "any.bin"
    for content in (old, new):
        write(path, content)
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "format_"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.b.webp", "WEBP"), ("a.tiff", "TIFF")]
)
def test_suffix_says_the_format_of_an_image(name, format_, tmp_path):
    save_image(IMAGE, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == format_
        assert image.size == IMAGE.size


def test_saved_png_holds_the_pixels(tmp_path):
    save_image(IMAGE, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(IMAGE))


@pytest.mark.parametrize("name", ["a", "a.txt", "png", ".png", "a.psd"])
def test_suffix_of_another_format_is_refused(name, tmp_path):
    with refused("unknown-format", tmp_path / name):
        save_image(IMAGE, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_image_that_its_format_cannot_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    with refused("not-writable", path, "RGBA"):
        save_image(Image.new("RGBA", (4, 4)), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_longest_valid_name_is_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".txt")
    path.touch()
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_error_about_another_file_is_not_changed(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.txt"):
        (tmp_path / "weights.bin").read_bytes()


@pytest.mark.parametrize(("width", "name"), [(20_000, "a.webp"), (70_000, "a.gif")])
def test_image_too_large_for_its_format_is_refused(width, name, tmp_path):
    with refused("image-too-large", width):
        save_image(Image.new("RGB", (width, 2)), tmp_path / name)
