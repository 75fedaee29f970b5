from pathlib import Path

import pytest
from refusals import refused

from weakspot.data import find_images, read_dataset
from weakspot.data.passed_over import describe_passed_over, passed_over


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_that_are_neither_images_nor_labels_are_passed_over(tmp_path):
    others = ["a.heic", "b/c.MP4", "b/d.pdf", "e.zip", "f.xyz", "g"]
    known = ["a.jpg", "b/c.PNG", "labels.csv", "data.yaml", "a.xml", ".hidden", "LICENSE", "readme.txt"]
    make(tmp_path, *others, *known, "__MACOSX/b/._c.MP4", "run/localize.toml", "run/x.mp4")
    found = [file.relative_to(tmp_path).as_posix() for file in passed_over([tmp_path, tmp_path / "a.jpg", "gone"])]
    assert sorted(found) == sorted(others)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "a.jpg")
    name = "n" * 250
    for _ in range(17):  # its path is longer than the system accepts
        Path(name).mkdir()
        monkeypatch.chdir(name)
    (found,) = passed_over([tmp_path])
    assert found.name == name
    assert list(find_images([tmp_path])) == [tmp_path / "a.jpg"]


def test_a_sentence_counts_and_names_them():
    files = [Path("a.heic"), Path("b.HEIC"), Path("c.mp4"), Path("d")]
    text = describe_passed_over(files)
    assert text.startswith("4 files")
    assert "2 .heic, 1 .mp4, 1 without suffix (a.heic, b.HEIC, c.mp4, ...)" in text
    assert "weakspot[heic]" in text
    assert describe_passed_over([]) == ""


@pytest.mark.parametrize("read", [lambda folder: list(find_images([folder])), read_dataset])
def test_a_folder_without_an_image_that_can_be_read_says_what_it_has(tmp_path, read):
    make(tmp_path, "cat/a.mp4")
    with pytest.raises(ValueError, match=r"1 \.mp4"):
        read(tmp_path)


@pytest.mark.parametrize("read", [lambda file: list(find_images([file])), read_dataset])
def test_an_archive_is_refused(tmp_path, read):
    make(tmp_path, "data.zip")
    with refused("archive", tmp_path / "data.zip"):
        read(tmp_path / "data.zip")
