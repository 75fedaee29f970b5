import os
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from refusals import refused

from weakspot.data import find_images
from weakspot.data.sources import IMAGE_SUFFIXES
from weakspot.errors import InputError

SUFFIXES = f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}."
NAMES = st.sampled_from(["a", "b", ".c", "d.jpg", "e.PNG", ".f.jpg", "g.txt", "h.tiff", "jpg"])
TREES = st.sets(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=12)


def make(*names, root="."):
    for name in names:
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Put empty files into a new current folder."""
    monkeypatch.chdir(tmp_path)
    return make


def found(*sources, **options):
    return [path.as_posix() for path in find_images(sources, **options)]


def test_folder_is_searched_through_in_sorted_order(put):
    put("photos/b.jpg", "photos/a.png", "photos/z/c.JPEG", "photos/d/e/f.webp", "photos/d/a.tif")
    assert found("photos") == ["photos/a.png", "photos/b.jpg", "photos/d/a.tif", "photos/d/e/f.webp", "photos/z/c.JPEG"]


def test_suffixes_are_those_of_formats_that_can_be_read():
    assert Image.registered_extensions().keys() >= IMAGE_SUFFIXES


def test_hidden_files_and_what_is_no_image_are_left_out_of_a_folder(put):
    put("photos/a.jpg", "photos/.b.jpg", "photos/.trash/c.jpg", "photos/labels.csv", "photos/jpg")
    assert found("photos") == ["photos/a.jpg"]


@pytest.mark.parametrize("name", ["a.jpg", "a.dat", ".a.jpg", "gone.jpg", "a[1].jpg"])
def test_file_is_taken_as_named(put, name):
    put("a.jpg", "a.dat", ".a.jpg", "a[1].jpg", "a1.jpg")
    assert found(name) == [name]


def test_folder_may_have_the_letters_of_a_pattern_in_its_name(put):
    put("[old]/a.jpg", "o/b.jpg")
    assert found("[old]") == ["[old]/a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("*.jpg", ["a.jpg", "b.jpg"], id="star"),
        pytest.param("?.*", ["a.jpg", "b.jpg", "c.txt"], id="whatever the suffix"),
        pytest.param("[b-z].jpg", ["b.jpg"], id="range"),
        pytest.param("d/*", ["d/e.jpg"], id="folders are left out"),
        pytest.param("**/*.jpg", ["a.jpg", "b.jpg", "d/e.jpg", "d/f/g.jpg"], id="** goes into folders"),
    ],
)
def test_pattern_gives_the_files_that_match_in_sorted_order(put, pattern, expected):
    put("b.jpg", "a.jpg", "c.txt", ".h.jpg", "d/f/g.jpg", "d/e.jpg")
    assert found(pattern) == expected


def test_dash_reads_one_path_a_line(put):
    put("a.jpg")
    lines = StringIO("a.jpg\n\n  \nwith space .jpg\r\n*.jpg\nlast.jpg")
    assert found("-", stdin=lines) == ["a.jpg", "with space .jpg", "*.jpg", "last.jpg"]


def test_dash_reads_stdin_by_default(monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("a.jpg\n"))
    assert found("-") == ["a.jpg"]


def test_sources_keep_their_order(put):
    put("b/1.jpg", "a/1.jpg", "c.jpg")
    assert found("c.jpg", "b", Path("a"), "-", stdin=StringIO("d.jpg")) == ["c.jpg", "b/1.jpg", "a/1.jpg", "d.jpg"]


def test_no_source_gives_no_image():
    assert found() == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("*.png", id="pattern without matches"),
        pytest.param("empt*", id="pattern that matches folders only"),
        pytest.param("empty", id="folder without images"),
    ],
)
def test_source_without_images_is_refused(put, source):
    put("a.jpg", "empty/notes.txt")
    with refused("images-not-found", source):
        found("a.jpg", source)


def test_sources_are_opened_one_at_a_time(put):
    put("a.jpg")
    images = find_images(["a.jpg", "nothing*"])
    assert next(images) == Path("a.jpg")
    with pytest.raises(InputError):
        next(images)


def test_folder_is_walked_while_its_images_are_taken(put):
    put("photos/a.jpg", "photos/b/c.jpg")
    images = find_images(["photos"])
    assert next(images) == Path("photos/a.jpg")
    put("photos/b/late.jpg")
    assert list(images) == [Path("photos/b/c.jpg"), Path("photos/b/late.jpg")]


def test_lines_are_read_as_they_are_asked_for():
    lines = iter(["a.jpg\n", "b.jpg\n"])
    assert next(find_images(["-"], stdin=lines)) == Path("a.jpg")
    assert list(lines) == ["b.jpg\n"]


@given(TREES)
@settings(deadline=None)
def test_folder_gives_what_a_plain_search_gives(names):
    with TemporaryDirectory() as root:
        files = [name for name in names if not any(other.startswith(f"{name}/") for other in names)]
        make("one.jpg", *files, root=root)
        everything = [path.relative_to(root) for path in Path(root).rglob("*") if path.is_file()]
        visible = [path for path in everything if not any(part.startswith(".") for part in path.parts)]
        images = [Path(root, path) for path in visible if path.suffix.lower() in IMAGE_SUFFIXES]
        walked = list(find_images([root]))
        assert sorted(walked) == sorted(images)
        assert walked == list(find_images([root]))


def test_pattern_gives_each_file_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a", "b").mkdir(parents=True)
    Path("a", "b", "c.jpg").touch()
    assert list(find_images(["**/**/*.jpg"])) == [Path("a/b/c.jpg")]


def test_what_a_run_wrote_is_not_searched_for_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = ("localized/plots/a.jpg.png", "localized/localize.toml", "out/heatmaps/a.png", "out/evaluate.toml")
    for name in ("a.jpg", *written, "deep/b.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert sorted(find_images(["."])) == [Path("a.jpg"), Path("deep/b.jpg")]


def test_a_list_of_names_need_not_be_utf_8():
    stdin = TextIOWrapper(BytesIO(b"a.jpg\ncaf\xe9.jpg\n"), encoding="utf-8")
    assert [os.fsencode(path) for path in find_images(["-"], stdin=stdin)] == [b"a.jpg", b"caf\xe9.jpg"]


@pytest.mark.parametrize("name", ["y" * 5000, "a\0b"])
def test_an_impossible_name_is_left_for_reading_to_refuse(name):
    assert list(find_images([name])) == [Path(name)]
