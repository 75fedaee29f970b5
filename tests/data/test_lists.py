import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.data.lists import is_list, read_list
from weakspot.data.sources import find_images
from weakspot.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
names = st.text(st.characters(exclude_characters="\n\r\0"), min_size=1).filter(str.strip)


def write_parquet(file, **columns):
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file


@given(found=st.lists(names, min_size=1), data=st.data())
def test_names_come_back_from_each_kind_of_list(found, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists", numbered=True)
    column = data.draw(st.sampled_from(["image", "path", "file_name"]))
    text, lines = folder / "a.txt", folder / "a.jsonl"
    text.write_text("\n".join(found), encoding="utf-8")
    lines.write_text("".join(json.dumps({"other": 1, column: name}) + "\n" for name in found))
    parquet = write_parquet(folder / "a.PARQUET", **{"other": list(range(len(found))), column: found})
    expected = [Path(name) for name in found]
    assert [list(read_list(file)) for file in (text, lines, parquet)] == [expected] * 3


def test_a_name_need_not_be_utf8(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9.jpg\r\n\r\n")
    assert [os.fsencode(path) for path in read_list(tmp_path / "a.txt")] == [b"caf\xe9.jpg"]


def test_names_are_from_the_working_folder_and_else_from_that_of_the_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    file = Path("photos/list.txt")
    file.write_text("photos/a.jpg\ngone.jpg\n/data/b.jpg\n")
    assert list(read_list(file)) == [Path("photos/a.jpg"), Path("gone.jpg"), Path("/data/b.jpg")]
    file.write_text("a.jpg\ngone.jpg\n/data/b.jpg\n")
    assert list(read_list(file)) == [Path("photos/a.jpg"), Path("photos/gone.jpg"), Path("/data/b.jpg")]


def test_a_list_stands_among_other_sources(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "list.txt").write_text(f"{tmp_path}/b.jpg\n")
    sources = [tmp_path / "list.txt", tmp_path / "a.jpg", tmp_path / "no-list.txt"]
    assert [path.name for path in find_images(sources)] == ["b.jpg", "a.jpg", "no-list.txt"]
    assert not is_list(tmp_path)


def test_a_long_list_is_read_a_few_names_at_a_time(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"image": "a.jpg"}\n' * 3 + "no JSON\n")
    found = read_list(file)
    assert [next(found).name for _ in range(3)] == ["a.jpg"] * 3
    with pytest.raises(InputError, match="line 4, is no JSON object"):
        next(found)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b'{"image": 3}\n', "line 1, names no image"),
        ("a.jsonl", b"[1]\n", "line 1, is no JSON object"),
        ("a.jsonl", b"[" * 100_000, "line 1, is no JSON object"),
        ("a.parquet", b"PAR1", "is damaged or no Parquet file"),
        ("a.txt", b"\n\n", "names no images"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem) as refused:
        list(find_images([tmp_path / name]))
    assert refused.value.hint


def test_columns_of_parquet_that_name_no_image_are_refused(tmp_path):
    for columns, problem in (({"id": [1]}, "has the columns id"), ({"image": [None]}, "names no image: None")):
        with pytest.raises(InputError, match=problem):
            list(read_list(write_parquet(tmp_path / "a.parquet", **columns)))


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(InputError) as refused:
        list(read_list(tmp_path / "a.parquet"))
    assert refused.value.hint == "Run: pip install pyarrow"
