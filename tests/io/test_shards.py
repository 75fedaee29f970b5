import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.io.manifest import MANIFEST, ShardInfo, finished_row_files, missing_shards, read_manifest, write_manifest
from weakspot.io.rows import count_rows, read_rows, to_jsonl, write_rows
from weakspot.io.shards import ShardSpec, parse_shard, row_files, skipped_file

numbers = st.integers(0, 2**31 - 1)
scores = st.floats(allow_nan=False, allow_infinity=False)
boxes = st.lists(st.lists(scores, min_size=4, max_size=4), max_size=3)
found = {
    "image": st.text(st.characters(exclude_categories=["Cs"])),
    "width": numbers,
    "height": numbers,
    "class_index": numbers,
    "label": st.text(st.characters(exclude_categories=["Cs"])),
    "score": scores,
    "method": st.just("gradcam"),
    "threshold": scores,
    "box": st.none() | st.lists(scores, min_size=4, max_size=4),
    "boxes": boxes,
    "notes": st.lists(st.just("a note")),
}
options = {"uncertainty": scores, "box_scores": st.lists(scores)}
one = st.fixed_dictionaries(found, optional=options)
rows = st.fixed_dictionaries(found, optional=options | {"others": st.lists(one, min_size=1, max_size=2)})


@given(st.lists(rows, max_size=4))
def test_rows_come_back_from_json_and_from_parquet(tmp_path_factory, some):
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("rows", numbered=True)
    for name in ("boxes-000000.jsonl", "boxes-000000.parquet"):
        write_rows(folder / name, some)
        back = list(read_rows(folder / name))
        assert [row for _, row in back] == some
        assert [place.line for place, _ in back] == list(range(1, len(some) + 1))
        assert count_rows(folder / name) == len(some)
    assert count_rows(folder / "boxes-000001.jsonl") == 0


def test_a_name_that_is_not_utf8_round_trips():
    row = {"image": "caf\udce9.jpg"}
    assert json.loads(to_jsonl(row)) == row


@given(st.lists(st.text(), unique=True), st.integers(1, 9))
def test_each_image_is_in_one_share(images, count):
    shares = [ShardSpec(number, count) for number in range(1, count + 1)]
    assert all(sum(share.contains(image) for share in shares) == 1 for image in [*images, "caf\udce9.jpg", "\ud800"])


def test_shares_are_about_equal():
    images = [f"photos/{i:05}.jpg" for i in range(8000)]
    sizes = [sum(ShardSpec(number, 8).contains(image) for image in images) for number in range(1, 9)]
    assert min(sizes) > 900  # three standard deviations
    assert max(sizes) < 1100


@pytest.mark.parametrize("text", ["0/8", "9/8", "1", "a/b", "1/0", "-1/8", "1/8/2", "1/100000", "", "٣/8"])
def test_an_invalid_shard_is_refused(text):
    with refused("shard-invalid", text):
        parse_shard(text)


def test_the_files_of_a_folder_are_its_rows_or_its_shards_in_order(tmp_path):
    assert row_files(tmp_path) == ()
    names = ["boxes-000000.jsonl", "boxes-000001.parquet", "boxes-00002-of-00003.jsonl"]
    for name in [*names, "boxes-x.jsonl", "skipped-000000.jsonl", "boxes-00001-of-00003.jsonl.part", "images.jsonl"]:
        (tmp_path / name).touch()
    assert sorted(path.name for path in row_files(tmp_path)) == sorted(names)
    (tmp_path / "boxes.jsonl").touch()
    assert row_files(tmp_path) == (tmp_path / "boxes.jsonl",)
    assert row_files(tmp_path / "mine.parquet") == (tmp_path / "mine.parquet",)
    assert row_files(tmp_path / "resnet50") == ()


def test_skipped_images_are_listed_next_to_their_rows(tmp_path):
    names = {"boxes.jsonl": "skipped.jsonl", "boxes-00001-of-00003.jsonl": "skipped-00001-of-00003.jsonl"}
    names |= {"boxes-000012.parquet": "skipped-000012.jsonl", "mine.jsonl": "skipped.jsonl"}
    names["boxes-00001-of-00003.jsonl.part"] = "skipped-00001-of-00003.jsonl"
    assert {name: skipped_file(tmp_path / name).name for name in names} == names


def test_a_manifest_round_trips_with_totals(tmp_path):
    shards = [ShardInfo("boxes-000000.jsonl", 5, 0, 3, 2), ShardInfo("boxes-000001.jsonl", 4, 90)]
    write_manifest(tmp_path / MANIFEST, shards, weakspot="1")
    assert read_manifest(tmp_path / MANIFEST) == shards
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert {name: manifest[name] for name in manifest if name != "shards"} == {
        "weakspot": "1",
        "images": 9,
        "localized": 3,
        "skipped": 2,
    }
    write_manifest(tmp_path / MANIFEST, [])
    assert read_manifest(tmp_path / MANIFEST) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"shards": [3]}', '{"shards": [{"file": "a"}]}', '{"shards": 3}'])
def test_an_invalid_manifest_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with refused("manifest-invalid", MANIFEST):
        read_manifest(tmp_path / MANIFEST)


def test_shards_that_are_missing_are_named(tmp_path):
    (tmp_path / "localize.toml").touch()
    assert missing_shards(tmp_path) == {}
    shards = [ShardInfo("boxes-000000.jsonl", 5, 0), ShardInfo("boxes-000001.jsonl", 4, 90)]
    write_manifest(tmp_path / MANIFEST, [*shards, ShardInfo("boxes-000002.jsonl", 3, 0, 2, 1)])
    write_manifest(tmp_path / "manifest-00001-of-00003.json", [ShardInfo("boxes-00001-of-00003.jsonl", 1, None, 1, 0)])
    for name in ("boxes-000000.jsonl", "boxes-00001-of-00003.jsonl", "boxes-00003-of-00003.jsonl.part"):
        (tmp_path / name).touch()
    (tmp_path / "boxes-000002.jsonl").write_text('{"image": "a.jpg"}\n{"image": "cut')
    expected = {
        "boxes-000001.jsonl": "is missing (4 images); run the same command again",
        "boxes-000002.jsonl": "has 1 of 2 rows; run the same command again",
        "boxes-00001-of-00003.jsonl": "has 0 of 1 rows; run the same command again",
        "boxes-00002-of-00003.jsonl": "is incomplete; continue with --shard 2/3",
        "boxes-00003-of-00003.jsonl": "is incomplete; continue with --shard 3/3",
    }
    assert missing_shards(tmp_path) == expected
    assert len(finished_row_files(tmp_path)) == 3
    (tmp_path / "boxes.jsonl").touch()
    assert missing_shards(tmp_path) == {}


def test_a_run_without_a_complete_shard_is_refused(tmp_path):
    (tmp_path / MANIFEST).write_text("of something else")
    (tmp_path / "boxes-00001-of-00003.jsonl.part").touch()
    assert finished_row_files(tmp_path) == ()
    (tmp_path / MANIFEST).unlink()
    (tmp_path / "localize.toml").touch()
    with refused("run-incomplete", "boxes-00001-of-00003"):
        finished_row_files(tmp_path)


def test_rows_of_a_damaged_file_do_not_count(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.jsonl").write_text("{}\n{")
    names = ("a.parquet", "a.jsonl", "gone.parquet", "gone.jsonl")
    assert [count_rows(tmp_path / name) for name in names] == [0, 1, 0, 0]
