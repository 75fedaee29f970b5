import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.review_rows import REVIEW, ReviewRow, Sampling, append_review, find_review, read_review
from weakspot.data.written_labels import is_written

CAT = ObjectAnnotation("cat", (10.25, 20.0, 110.5, 220.0))
GOOD = {"image": "a.jpg", "status": "corrected", "objects": [{"label": "cat", "box": [1, 2, 3, 4]}], "size": [9, 9]}


def test_rows_survive_writing_and_reading_and_the_last_row_of_an_image_counts(tmp_path):
    file = tmp_path / "deep" / REVIEW
    rows = [
        ReviewRow("cat/ä.jpg", "confirmed", (CAT,), (480, 640)),
        ReviewRow("dog/1.jpg", "empty", (), (480, 640)),
        ReviewRow("cat/ä.jpg", "untouched", (), (480, 640), 1),
        ReviewRow("dog/1.jpg", "corrected", (CAT, CAT), (480, 640), 1, Sampling("90ab", 7, "random", right=False)),
    ]
    for row in rows:
        append_review(file, row)
    assert read_review(file) == {"cat/ä.jpg": rows[2], "dog/1.jpg": rows[3]}
    assert list(read_review(file)) == ["cat/ä.jpg", "dog/1.jpg"]
    written = json.loads(file.read_bytes().splitlines()[0])
    assert {key: written[key] for key in written if key != "time"} == {
        "image": "cat/ä.jpg",
        "status": "confirmed",
        "objects": [{"label": "cat", "box": [10.25, 20.0, 110.5, 220.0]}],
        "size": [480, 640],
        "revision": 0,
        "source": "person",
    }
    assert written["time"].endswith("+00:00")


@pytest.mark.parametrize("offer", ["typical", "uncertain", "random", "picked", None])
def test_a_sample_knows_whether_it_was_offered_for_its_uncertainty(tmp_path, offer):
    sampling = None if offer is None else Sampling("90ab", 7, offer, right=False)
    sample = ReviewRow("cat/1.jpg", "corrected", (CAT,), (480, 640), 1, sampling).to_sample(tmp_path / "1.jpg")
    known = {"objects": (CAT,), "size": (480, 640), "status": "corrected"}
    assert sample == Sample("cat/1.jpg", tmp_path / "1.jpg", **known, by_uncertainty=offer == "uncertain")


@given(st.data())
def test_a_file_that_was_cut_anywhere_keeps_its_complete_rows_and_takes_more(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("review") / REVIEW
    names = ["ä.jpg", "☃.jpg", "c.jpg"]
    for name in names:
        append_review(file, ReviewRow(name, "confirmed", (CAT,), (480, 640)))
    whole = file.read_bytes()
    kept = whole[: data.draw(st.integers(0, len(whole)))]
    file.write_bytes(kept)
    # A row is complete without its newline.
    complete = names[: sum(kept.startswith(whole[: end - 1]) for end in _ends(whole))]
    assert list(read_review(file)) == complete
    append_review(file, ReviewRow("next.jpg", "empty", (), (480, 640)))
    assert list(read_review(file)) == [*complete, "next.jpg"]


def _ends(content: bytes) -> list[int]:
    return [position + 1 for position, byte in enumerate(content) if byte == ord("\n")]


def test_a_file_of_an_editor_may_begin_with_a_byte_order_mark_and_lack_the_fields_that_are_not_read(tmp_path):
    (tmp_path / REVIEW).write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert read_review(tmp_path / REVIEW) == {
        "a.jpg": ReviewRow("a.jpg", "corrected", (ObjectAnnotation("cat", (1.0, 2.0, 3.0, 4.0)),), (9, 9))
    }


@pytest.mark.parametrize(
    "change",
    [
        {"image": ""},
        {"image": None},
        {"status": "right"},
        {"status": ["empty"]},
        {"status": "empty"},
        {"objects": []},
        {"objects": {}},
        {"objects": ["cat"]},
        {"objects": [{"label": " ", "box": [1, 2, 3, 4]}]},
        {"objects": [{"label": "cat", "box": [3, 2, 1, 4]}]},
        {"objects": [{"label": "cat", "box": [1, 2, 3]}]},
        {"objects": [{"label": "cat", "box": [1, 2, True, 4]}]},
        {"objects": [{"label": "cat", "box": [1, 2, float("nan"), 4]}]},
        {"objects": [{"label": "cat", "box": [1, 2, 10**400, 4]}]},
        {"size": None},
        {"size": [0, 9]},
        {"size": [9.5, 9]},
        {"revision": -1},
        {"revision": True},
        {"sampling": []},
        {"sampling": {"round": "90ab", "number": 1, "offer": "random"}},
        {"sampling": {"round": "90ab", "number": True, "offer": "random", "right": True}},
        {"sampling": {"round": "90ab", "number": 0, "offer": "random", "right": True}},
        {"sampling": {"round": "90ab", "number": 1, "offer": "chosen", "right": True}},
        {"sampling": {"round": "90ab", "number": 1, "offer": "random", "right": 1}},
    ],
)
def test_an_invalid_row_is_refused_with_its_line(tmp_path, change):
    (tmp_path / REVIEW).write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD | change)}\n")
    with refused("review-invalid", f"{REVIEW}, line 2"):
        read_review(tmp_path / REVIEW)


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 5_000])
def test_a_line_that_is_not_a_row_is_refused_with_its_line(tmp_path, line):
    (tmp_path / REVIEW).write_bytes(line + b"\n" + json.dumps(GOOD).encode())
    with refused("review-invalid", f"{REVIEW}, line 1"):
        read_review(tmp_path / REVIEW)


def test_an_image_outside_the_folder_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / REVIEW).write_text(json.dumps(GOOD | {"image": "../a.jpg"}) + "\n")
    with refused("path-outside", "../a.jpg"):
        read_review(tmp_path / REVIEW)
    with refused("file-not-found", "none.jsonl"):
        read_review(tmp_path / "none.jsonl")


ODD = [" sp .png", "a\\b.png", "c.png\u2028", "\tcat/a.png", "a:b.png", "'\n'.png"]


@pytest.mark.parametrize("name", ODD)
def test_the_name_of_an_image_is_kept_as_it_is_written(tmp_path, name):
    row = ReviewRow(name, "empty", (), (9, 9))
    append_review(tmp_path / REVIEW, row)
    assert read_review(tmp_path / REVIEW, {name: name}.get) == {name: row}


def test_a_name_of_another_system_is_normalized_and_the_last_row_of_the_image_counts(tmp_path):
    rows = [
        ReviewRow(name, "empty", (), (9, 9), i) for i, name in enumerate(["cat\\1.jpg", "cat/1.jpg", " .\\cat\\1.jpg "])
    ]
    for i, row in enumerate(rows):
        append_review(tmp_path / REVIEW, row)
        known = read_review(tmp_path / REVIEW, {"cat/1.jpg": "cat/1.jpg"}.get)
        assert {name: found.revision for name, found in known.items()} == {"cat/1.jpg": i}


@pytest.mark.parametrize("name", ["../a.jpg", "..\\a.jpg", "b/../../a.jpg", "/a.jpg", "\\a.jpg", " ../a.jpg", ".."])
def test_a_name_that_leaves_the_folder_is_refused_even_if_there_is_such_an_image(tmp_path, name):
    append_review(tmp_path / REVIEW, ReviewRow(name, "empty", (), (9, 9)))
    with refused("path-outside", REVIEW):
        read_review(tmp_path / REVIEW, {name: name}.get)


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / REVIEW).mkdir()
    with refused("not-writable", REVIEW):
        append_review(tmp_path / REVIEW, ReviewRow("a.jpg", "empty", (), (9, 9)))


def test_a_review_is_known_by_its_suffix_or_its_folder(tmp_path):
    for name in ("review.jsonl", "MINE.JSONL"):
        assert find_review(tmp_path / name) == tmp_path / name
        assert is_written(tmp_path / name), "its boxes are those of upright images"
    assert find_review(tmp_path) is None
    append_review(tmp_path / REVIEW, ReviewRow("dog/1.jpg", "empty", (), (480, 640)))
    assert find_review(tmp_path) == tmp_path / REVIEW
    assert not is_written(tmp_path), "other labels in the folder may be of stored pixels"
