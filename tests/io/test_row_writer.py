import json

from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.io.row_writer import JsonlWriter


def test_the_first_row_creates_the_file(tmp_path):
    rows = JsonlWriter(tmp_path / "deep" / "rows.jsonl")
    rows.close()
    assert not (tmp_path / "deep").exists()
    rows.write({"image": "ä.jpg"})
    rows.close()
    assert (tmp_path / "deep" / "rows.jsonl").read_text(encoding="utf-8") == '{"image": "ä.jpg"}\n'


@given(st.lists(st.text("ab\n☃"), min_size=1, max_size=6, unique=True), st.data())
def test_a_truncated_file_keeps_its_complete_rows(tmp_path_factory, names, data):
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
    with refused("output-exists", "rows.jsonl"):
        JsonlWriter(tmp_path / "rows.jsonl")
