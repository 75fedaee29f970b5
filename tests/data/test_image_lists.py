import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.data.image_lists import is_list, read_list
from weakspot.data.sources import find_images
from weakspot.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
names = st.text(st.characters(exclude_characters="\n\r\0\ufeff", exclude_categories=["Cs"]), min_size=1).filter(
    str.strip
)


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
    expected = [folder / name for name in found]
    assert [list(read_list(file)) for file in (text, lines, parquet)] == [expected] * 3


def test_a_name_need_not_be_utf8(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9.jpg\r\n\r\n")
    assert [os.fsencode(path.name) for path in read_list(tmp_path / "a.txt")] == [b"caf\xe9.jpg"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    for name, content in (("a.txt", "a.jpg\n"), ("a.jsonl", '{"image": "a.jpg"}\n')):
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert list(read_list(tmp_path / name)) == [tmp_path / "a.jpg"]


def test_names_are_from_the_folder_of_the_list_but_those_that_weakspot_wrote(tmp_path, monkeypatch):
    """Its rows name images from the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("found").mkdir()
    Path("found/images.jsonl").write_text('{"image": "photos/a.jpg"}\n{"image": "/data/b.jpg"}\n')
    assert list(find_images(["found/images.jsonl"])) == [Path("found/photos/a.jpg"), Path("/data/b.jpg")]
    Path("found/localize.toml").touch()
    assert list(find_images(["found/images.jsonl"])) == [Path("photos/a.jpg"), Path("/data/b.jpg")]


def test_a_list_stands_among_other_sources(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "list.txt").write_text(f"{tmp_path}/b.jpg\n")
    assert [path.name for path in find_images([tmp_path / "list.txt", tmp_path / "a.jpg"])] == ["b.jpg", "a.jpg"]
    assert not is_list(tmp_path)


@pytest.mark.parametrize("suffix", ["txt", "jsonl", "parquet"])
def test_a_list_that_is_not_there_is_no_image(tmp_path, suffix):
    with pytest.raises(InputError, match=suffix):
        list(find_images([tmp_path / f"gone.{suffix}"]))


def test_a_long_list_is_read_a_few_names_at_a_time(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"image": "a.jpg"}\n' * 3 + "no JSON\n")
    found = read_list(file)
    assert [next(found).name for _ in range(3)] == ["a.jpg"] * 3
    with refused("list-invalid", "line 4"):
        next(found)


@pytest.mark.parametrize(
    ("name", "content", "code", "value"),
    [
        ("a.jsonl", b'{"image": 3}\n', "list-invalid", "line 1"),
        ("a.jsonl", b"[1]\n", "list-invalid", "line 1"),
        ("a.jsonl", b"[" * 100_000, "list-invalid", "line 1"),
        ("a.parquet", b"PAR1", "damaged-file", "a.parquet"),
        ("a.txt", b"\n\n", "images-not-found", "a.txt"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, name, content, code, value):
    (tmp_path / name).write_bytes(content)
    with refused(code, value):
        list(find_images([tmp_path / name]))


def test_columns_of_parquet_that_name_no_image_are_refused(tmp_path):
    for columns, value in (({"id": [1]}, "id"), ({"image": ["a.jpg", None]}, "None")):
        with pytest.raises(InputError, match=value):
            list(read_list(write_parquet(tmp_path / "a.parquet", **columns)))
    pictures = [{"bytes": b"a" * 5000, "path": "a.jpg"}]
    found = read_list(write_parquet(tmp_path / "a.parquet", image=pictures, path=["b.jpg"]))
    assert [path.name for path in found] == ["b.jpg"]


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").touch()
    with refused("not-installed", "pyarrow"):
        list(read_list(tmp_path / "a.parquet"))
