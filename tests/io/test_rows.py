import json
import os

import pytest
from refusals import refused

from weakspot.io.row_writer import JsonlWriter
from weakspot.io.rows import read_image_rows, read_rows
from weakspot.io.text import FileLine


def written(file, *rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_rows_of_several_files_have_their_lines(tmp_path):
    files = [written(tmp_path / f"{name}.jsonl", {"image": name}, {"image": f"{name}{name}"}) for name in "ab"]
    found = list(read_image_rows(files))
    assert [(line, row["image"]) for line, row in found] == [
        (FileLine(files[0], 1), "a"),
        (FileLine(files[0], 2), "aa"),
        (FileLine(files[1], 1), "b"),
        (FileLine(files[1], 2), "bb"),
    ]


@pytest.mark.parametrize("name", ["a.jpg", "./a.jpg", "b/../a.jpg", "absolute"])
def test_second_row_of_an_image_is_refused_with_both_lines(name, tmp_path):
    name = os.path.abspath("a.jpg") if name == "absolute" else name
    file = written(tmp_path / "boxes.jsonl", {"image": "a.jpg"}, {"image": "b.jpg"}, {"image": name})
    with refused("duplicate-rows", f"{file}, line 3", name, "line 1"):
        list(read_image_rows([file]))
    assert len(list(read_rows(file))) == 3


def test_second_row_of_an_image_in_another_shard_is_refused_with_both_files(tmp_path):
    first, second = (written(tmp_path / f"{name}.jsonl", {"image": "a.jpg"}) for name in "ab")
    with refused("duplicate-rows", f"{second}, line 1", f"{first}, line 1", "a.jpg"):
        list(read_image_rows([first, second]))


def test_rows_of_other_methods_or_classes_are_not_duplicates(tmp_path):
    rows = [{"image": "a.jpg", "method": method} for method in ("cam", "gradcam", "cam")]
    assert len(list(read_image_rows([written(tmp_path / "1.jsonl", *rows[:2])], ("image", "method")))) == 2
    with refused("duplicate-rows", "line 3", "line 1"):
        list(read_image_rows([written(tmp_path / "2.jsonl", *rows)], ("image", "method")))


@pytest.mark.parametrize("row", [{}, {"image": None}, {"image": ["a"]}, {"image": 1}])
def test_rows_without_an_image_are_left_to_their_reader(row, tmp_path):
    assert len(list(read_image_rows([written(tmp_path / "boxes.jsonl", row, row)]))) == 2


def test_file_with_two_rows_of_an_image_is_not_continued(tmp_path):
    file = written(tmp_path / "boxes.jsonl", {"image": "a.jpg"}, {"image": "a.jpg"})
    before = file.read_bytes()
    with refused("duplicate-rows", f"{file}, line 2", "line 1"):
        JsonlWriter(file, resume=True)
    assert file.read_bytes() == before
