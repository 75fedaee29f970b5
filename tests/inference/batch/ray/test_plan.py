import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.inference.batch.ray.plan import IMAGES, ShardPlan, images_of, plan, unplan
from weakspot.io.manifest import MANIFEST, read_manifest

PLAN = ShardPlan("jsonl", 2, 1, images_per_shard=4)
names = st.lists(st.text(st.characters(exclude_characters="\0/"), min_size=1).filter(lambda name: name != "."))


def paths(*numbers):
    return [Path(f"{number}.jpg") for number in numbers]


def planned(folder, shards):
    return [images_of(folder, shard) for shard in shards]


def test_images_are_divided_into_shards_in_order(tmp_path):
    shards = plan(tmp_path / "run", paths(*range(10)), PLAN)
    assert planned(tmp_path / "run", shards) == [
        [f"{i}.jpg" for i in shard] for shard in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9])
    ]
    assert [shard.file for shard in shards] == [f"boxes-00000{i}.jsonl" for i in range(3)]
    assert read_manifest(tmp_path / "run" / MANIFEST) == shards


def test_new_images_get_new_shards_and_planned_ones_keep_theirs(tmp_path):
    before = plan(tmp_path, paths(*range(5)), PLAN)
    after = plan(tmp_path, paths(3, 7, 4, 8, 7, 0, 9), PLAN._replace(images_per_shard=2))
    assert after[:2] == before
    assert planned(tmp_path, after[2:]) == [["7.jpg", "8.jpg"], ["9.jpg"]]
    stamp = (tmp_path / MANIFEST).stat().st_mtime_ns
    assert plan(tmp_path, paths(9, 0), PLAN) == after
    assert (tmp_path / MANIFEST).stat().st_mtime_ns == stamp


@given(first=names, second=names, size=st.integers(1, 9), batch=st.integers(1, 4))
def test_each_image_is_in_one_shard(tmp_path_factory, first, second, size, batch):
    folder, shard_plan = tmp_path_factory.mktemp("plan", numbered=True), ShardPlan("jsonl", batch, 2, size)
    plan(folder, map(Path, first), shard_plan)
    shards = plan(folder, map(Path, second), shard_plan)
    assert [name for shard in planned(folder, shards) for name in shard] == list(
        dict.fromkeys(map(str, map(Path, first + second)))
    )
    assert all(0 < shard.images <= max(size, batch) for shard in shards)


def test_an_interrupted_plan_is_repeated(tmp_path):
    before = plan(tmp_path, paths(*range(3)), PLAN)
    with (tmp_path / IMAGES).open("a") as file:
        file.write('{"image": "5.jpg"}\n{"ima')
    after = plan(tmp_path, paths(0, 5), PLAN)
    assert after[:1] == before
    assert planned(tmp_path, after) == [["0.jpg", "1.jpg", "2.jpg"], ["5.jpg"]]


def test_small_runs_have_smaller_shards():
    assert ShardPlan("jsonl", 16, 4).batches(3) == 1
    assert ShardPlan("jsonl", 16, 4).batches(2048) == 4
    assert ShardPlan("jsonl", 16, 4).batches(10**8) == 64
    assert ShardPlan("jsonl", 16, 4, images_per_shard=7).batches(10**8) == 1
    assert ShardPlan("jsonl", 16, 4, images_per_shard=100).batches(5) == 6


def test_rows_without_a_plan_are_refused(tmp_path):
    (tmp_path / "boxes-000000.jsonl").touch()
    with refused("output-exists", "boxes-000000.jsonl"):
        plan(tmp_path, paths(1), PLAN)
    assert not (tmp_path / IMAGES).exists()


def test_a_list_without_a_manifest_is_not_overwritten(tmp_path):
    (tmp_path / IMAGES).write_text("mine")
    with refused("output-exists", IMAGES):
        plan(tmp_path, paths(1), PLAN)
    assert (tmp_path / IMAGES).read_text() == "mine"
    assert not (tmp_path / MANIFEST).exists()


def test_only_a_plan_without_images_is_deleted(tmp_path):
    plan(tmp_path, [], PLAN)
    unplan(tmp_path)
    assert list(tmp_path.iterdir()) == []
    plan(tmp_path, paths(1), PLAN)
    unplan(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", ["", '{"image": "0.jpg"}\n', "no JSON\n" * 3, "3\n" * 3])
def test_a_damaged_plan_is_refused(tmp_path, content):
    plan(tmp_path, paths(0, 1, 2), PLAN)
    (tmp_path / IMAGES).write_text(content)
    with refused("damaged-file", IMAGES):
        plan(tmp_path, paths(3), PLAN)


def test_a_plan_that_cannot_be_read_is_refused(tmp_path):
    (shard,) = plan(tmp_path, paths(1, 2), PLAN)
    lines = (tmp_path / IMAGES).read_text().splitlines(keepends=True)
    for content, code in ((lines[0], "damaged-file"), ("no JSON\n", "plan-unreadable"), ("3\n", "plan-unreadable")):
        (tmp_path / IMAGES).write_text(content)
        with refused(code, IMAGES):
            images_of(tmp_path, shard)
    (tmp_path / IMAGES).unlink()
    with refused("plan-unreadable", IMAGES):
        images_of(tmp_path, shard)


def test_a_folder_that_is_not_writable_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with refused("not-writable", "file"):
        plan(tmp_path / "file", paths(1), PLAN)


def test_the_list_of_images_is_a_valid_source(tmp_path):
    plan(tmp_path, paths(1, 2), PLAN)
    assert [json.loads(line)["image"] for line in (tmp_path / IMAGES).read_text().splitlines()] == ["1.jpg", "2.jpg"]
