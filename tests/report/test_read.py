import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.io.folders import find_relocated
from weakspot.report.read import as_box, as_text, read_rows, read_settings, read_skipped


def test_rows_come_with_their_places(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    assert [(place.line, row) for place, row in read_rows(tmp_path / "rows.jsonl")] == [(1, {"a": 1}), (3, {"a": 2})]


def test_a_last_row_that_was_cut_off_is_dropped_and_a_whole_one_is_not(tmp_path):
    (tmp_path / "cut.jsonl").write_text('{"a": 1}\n{"a": ')
    (tmp_path / "whole.jsonl").write_text('{"a": 1}\n{"a": 2}')
    assert len(list(read_rows(tmp_path / "cut.jsonl"))) == 1
    assert len(list(read_rows(tmp_path / "whole.jsonl"))) == 2


@pytest.mark.parametrize("line", ["boxes", "[1]", "[" * 100_000])
def test_a_line_that_is_no_row_is_named(tmp_path, line):
    (tmp_path / "rows.jsonl").write_text(f'{{"a": 1}}\n{line}\n')
    with refused("row-invalid", "rows.jsonl, line 2"):
        list(read_rows(tmp_path / "rows.jsonl"))


def test_settings_that_are_no_toml_are_refused_and_absent_ones_are_none(tmp_path):
    assert read_settings(tmp_path / "none.toml", "localize") == {}
    (tmp_path / "a.toml").write_text("a = = 1")
    with refused("settings-invalid", "a.toml"):
        read_settings(tmp_path / "a.toml", "localize")


def test_settings_are_words():
    assert as_text({"top_k": 2, "resume": True, "classes": ["a", 1]}) == {
        "top k": "2",
        "resume": "yes",
        "classes": "a, 1",
    }


def test_skipped_images_are_listed_with_their_problems(tmp_path):
    assert read_skipped(tmp_path / "skipped.jsonl") == ()
    (tmp_path / "skipped.jsonl").write_text('{"image": "a.jpg", "problem": "is empty"}\n')
    assert read_skipped(tmp_path / "skipped.jsonl") == (("a.jpg", "is empty"),)


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, float("nan")], None, [1, 2, 3, True]])
def test_what_is_no_box_is_refused(box):
    with pytest.raises((ValueError, TypeError)):
        as_box(box)


def test_a_file_is_found_by_the_longest_end_of_its_path(tmp_path):
    for name in ("c.jpg.png", "b/c.jpg.png"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    find = lambda path: find_relocated(tmp_path / "x", path, ".png")  # noqa: E731
    assert find(tmp_path / "a/b/c.jpg") == tmp_path / "x/b/c.jpg.png"
    assert find(tmp_path / "a/d/c.jpg") == tmp_path / "x/c.jpg.png"
    assert find(tmp_path / "a/d/e.jpg") is None
    assert find_relocated(tmp_path / "none", tmp_path / "c.jpg") is None


@given(st.lists(st.sampled_from(["..", ".", "a", "b.jpg", "/", "secret.png"]), min_size=1, max_size=6))
def test_no_path_leaves_the_folder(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("f") / "inside"
    folder.mkdir()
    (folder.parent / "secret.png").touch()
    assert find_relocated(folder, folder.joinpath(*parts)) is None
