import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.errors import InputError
from weakspot.io.row_writer import JsonlWriter


def test_the_file_comes_to_be_with_its_first_row(tmp_path):
    rows = JsonlWriter(tmp_path / "deep" / "rows.jsonl")
    rows.close()
    assert not (tmp_path / "deep").exists()
    rows.write({"image": "ä.jpg"})
    rows.close()
    assert (tmp_path / "deep" / "rows.jsonl").read_text(encoding="utf-8") == '{"image": "ä.jpg"}\n'


@given(st.lists(st.text(), min_size=1, max_size=6), st.data())
def test_wherever_a_file_is_cut_off_its_whole_rows_are_kept(tmp_path_factory, names, data):
    whole = b"".join(json.dumps({"image": name}).encode() + b"\n" for name in names)
    kept = data.draw(st.integers(1, len(whole)))
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(whole[:kept])
    count = whole[:kept].count(b"\n")
    rows = JsonlWriter(path, resume=True)
    assert rows.images == frozenset(names[:count])
    rows.write({"image": "next"})
    rows.close()
    assert [json.loads(line)["image"] for line in path.read_bytes().splitlines()] == [*names[:count], "next"]


def test_rows_of_another_run_are_refused(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"image": "a"}\n')
    with pytest.raises(InputError, match="holds the rows of another run"):
        JsonlWriter(tmp_path / "rows.jsonl")
