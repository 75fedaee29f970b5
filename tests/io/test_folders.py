import errno
import os
from pathlib import Path

import pytest
from refusals import refused

from weakspot.io.folders import check_writable, next_free_path, read_name_file


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_free_folder_has_the_name_or_the_next_number():
    assert next_free_path("evaluated") == Path("evaluated")
    Path("evaluated").mkdir()
    assert next_free_path("evaluated") == Path("evaluated-2")
    Path("evaluated-2").touch()
    Path("evaluated-4").mkdir()
    assert next_free_path("evaluated") == Path("evaluated-3")


def test_finding_a_folder_makes_none():
    next_free_path("evaluated")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("folder", ["there", "there/new", "new/and/deeper", "."])
def test_a_folder_that_can_be_made_is_let_through_and_not_made(folder):
    Path("there").mkdir()
    check_writable(Path(folder))
    assert [path.name for path in Path().rglob("*")] == ["there"]


@pytest.mark.parametrize("folder", ["file", "file/new", "file/new/deeper"])
def test_a_file_in_place_of_a_folder_is_refused(folder):
    Path("file").touch()
    with refused("not-writable", folder, "file is not a folder"):
        check_writable(Path(folder))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused():
    Path("closed").mkdir(mode=0o500)
    with refused("not-writable", "closed is read-only"):
        check_writable(Path("closed/new"))


def test_a_read_only_folder_is_refused_for_root_too(monkeypatch):
    Path("closed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not (str(path).endswith("closed") and mode == os.W_OK))
    with refused("not-writable", "closed/new", "closed is read-only"):
        check_writable(Path("closed/new"))


def test_a_folder_whose_permissions_are_wrong_is_refused(monkeypatch):
    def fail(**_):
        raise OSError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr("weakspot.io.folders.TemporaryFile", fail)
    with refused("not-writable", "closed/new", "No such file"):
        check_writable(Path("closed/new"))


def test_a_name_that_is_too_long_is_refused():
    with refused("not-writable"):
        check_writable(Path("x" * 300))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(b"cat\ndog\n", ["cat", "dog"], id="plain"),
        pytest.param("Größe\r\nÅl".encode(), ["Größe", "Ål"], id="other letters, windows"),
        pytest.param(b"", [], id="empty"),
        pytest.param(b"\xef\xbb\xbfcat\ndog", ["cat", "dog"], id="byte order mark"),
    ],
)
def test_lines_are_read(content, lines):
    Path("names.txt").write_bytes(content)
    assert read_name_file(Path("names.txt")) == lines


def test_no_file_has_no_lines():
    assert read_name_file(None) is None


@pytest.mark.parametrize("make", [None, "folder", "latin"])
def test_what_is_no_text_is_told(make):
    path = Path("names.txt")
    if make == "folder":
        path.mkdir()
    elif make == "latin":
        path.write_bytes("Größe".encode("latin-1"))
    with refused("file-unreadable", "names.txt"):
        read_name_file(path)


@pytest.mark.parametrize("name", ["names.json", "data.yaml", "data.YML"])
def test_files_whose_lines_are_not_names_are_refused(name, tmp_path):
    (tmp_path / name).write_text("a\nb\n")
    with refused("file-unreadable", name):
        read_name_file(tmp_path / name)


def test_names_are_read_without_empty_lines_at_the_end(tmp_path):
    (tmp_path / "names.txt").write_text("\ufeffa\n\nb\n\n \n", encoding="utf-8")
    assert read_name_file(tmp_path / "names.txt") == ["a", "", "b"]
