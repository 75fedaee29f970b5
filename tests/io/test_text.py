from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from trees import plant

from weakspot.data import read_dataset
from weakspot.data.formats.walk import files_below
from weakspot.errors import InputError
from weakspot.io.text import FileLine, read_text, safe_relative_path


@given(st.text("ab./\\ ~:\0", max_size=12))
def test_path_is_inside_the_data_set_or_refused(name):
    try:
        path = safe_relative_path(name, FileLine(Path("boxes.csv"), 3))
    except InputError as refusal:
        assert (refusal.code, repr(name) in refusal.problem) == ("path-outside", True)  # noqa: PT017
    else:
        inside = Path("/data", path).resolve()
        assert inside.is_relative_to("/data")
        assert inside != Path("/data")


@pytest.mark.parametrize("name", ["a", "cat/a.jpg", "..a/b..", "a b/c,d.jpg", "...", "~/a"])
def test_a_relative_path_is_returned_unchanged(name):
    assert safe_relative_path(name, "boxes.csv, line 3") == name


def test_missing_file_is_refused(tmp_path):
    with refused("file-not-found", tmp_path / "gone"):
        read_text(tmp_path / "gone")


def test_files_are_found_in_sorted_order_and_hidden_ones_left_out(tmp_path):
    plant(tmp_path, {"b": "", "a/c": "", "a/.d": "", ".e/f": "", "c/a": ""})
    assert list(files_below(tmp_path)) == ["b", "a/c", "c/a"]


@pytest.mark.parametrize("name", ["y" * 5000, "y" * 5000 + ".jpg"])
def test_impossible_name_is_a_missing_image(tmp_path, name):
    files = {"annotations.csv": f"image_id,class,xmin,ymin,xmax,ymax\n{name},cat,1,2,3,4\n", "images": None}
    (example,) = read_dataset(plant(tmp_path, files)).samples
    assert example.path == tmp_path / "images" / f"{name.removesuffix('.jpg')}.jpg"
