import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.errors import InputError
from weakspot.inference.batch.ray.plan import IMAGES, ShardPlan, images_of, plan, unplan
from weakspot.io.manifest import MANIFEST, read_manifest

HOW = ShardPlan("jsonl", 2, 1, size=4)
names = st.lists(st.text(st.characters(exclude_characters="\0/"), min_size=1).filter(lambda name: name != "."))


def paths(*numbers):
    return [Path(f"{number}.jpg") for number in numbers]


def planned(folder, parts):
    return [images_of(folder, part) for part in parts]


def test_images_are_cut_into_parts_in_their_order(tmp_path):
    parts = plan(tmp_path / "run", paths(*range(10)), HOW)
    assert planned(tmp_path / "run", parts) == [
        [f"{i}.jpg" for i in part] for part in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9])
    ]
    assert [part.file for part in parts] == [f"boxes-00000{i}.jsonl" for i in range(3)]
    assert read_manifest(tmp_path / "run" / MANIFEST) == parts


def test_new_images_come_into_new_parts_and_known_ones_stay(tmp_path):
    before = plan(tmp_path, paths(*range(5)), HOW)
    after = plan(tmp_path, paths(3, 7, 4, 8, 7, 0, 9), HOW._replace(size=2))
    assert after[:2] == before
    assert planned(tmp_path, after[2:]) == [["7.jpg", "8.jpg"], ["9.jpg"]]
    stamp = (tmp_path / MANIFEST).stat().st_mtime_ns
    assert plan(tmp_path, paths(9, 0), HOW) == after
    assert (tmp_path / MANIFEST).stat().st_mtime_ns == stamp


@given(first=names, second=names, size=st.integers(1, 9), batch=st.integers(1, 4))
def test_each_image_is_in_one_part_whatever_comes_twice(tmp_path_factory, first, second, size, batch):
    folder, how = tmp_path_factory.mktemp("plan", numbered=True), ShardPlan("jsonl", batch, 2, size)
    plan(folder, map(Path, first), how)
    parts = plan(folder, map(Path, second), how)
    assert [name for part in planned(folder, parts) for name in part] == list(
        dict.fromkeys(map(str, map(Path, first + second)))
    )
    assert all(0 < part.images <= max(size, batch) for part in parts)


def test_a_plan_that_was_cut_off_is_made_again(tmp_path):
    before = plan(tmp_path, paths(*range(3)), HOW)
    with (tmp_path / IMAGES).open("a") as file:
        file.write('{"image": "5.jpg"}\n{"ima')
    after = plan(tmp_path, paths(0, 5), HOW)
    assert after[:1] == before
    assert planned(tmp_path, after) == [["0.jpg", "1.jpg", "2.jpg"], ["5.jpg"]]


def test_few_images_are_shared_by_all_workers_and_many_are_a_thousand_a_part():
    assert ShardPlan("jsonl", 16, 4).batches(3) == 1
    assert ShardPlan("jsonl", 16, 4).batches(2048) == 4
    assert ShardPlan("jsonl", 16, 4).batches(10**8) == 64
    assert ShardPlan("jsonl", 16, 4, size=7).batches(10**8) == 1
    assert ShardPlan("jsonl", 16, 4, size=100).batches(5) == 6


def test_rows_without_a_plan_are_another_runs(tmp_path):
    (tmp_path / "boxes-000000.jsonl").touch()
    with pytest.raises(InputError, match="is there already"):
        plan(tmp_path, paths(1), HOW)
    assert not (tmp_path / IMAGES).exists()


def test_a_list_that_is_no_plan_stays_as_it_is(tmp_path):
    (tmp_path / IMAGES).write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        plan(tmp_path, paths(1), HOW)
    assert (tmp_path / IMAGES).read_text() == "mine"
    assert not (tmp_path / MANIFEST).exists()


def test_a_plan_without_images_is_taken_back_and_one_with_images_is_not(tmp_path):
    plan(tmp_path, [], HOW)
    unplan(tmp_path)
    assert list(tmp_path.iterdir()) == []
    plan(tmp_path, paths(1), HOW)
    unplan(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", ["", '{"image": "0.jpg"}\n', "no JSON\n" * 3, "3\n" * 3])
def test_a_damaged_plan_is_not_gone_on_with(tmp_path, content):
    plan(tmp_path, paths(0, 1, 2), HOW)
    (tmp_path / IMAGES).write_text(content)
    with pytest.raises(InputError, match="is damaged"):
        plan(tmp_path, paths(3), HOW)


def test_a_plan_that_cannot_be_read_is_told(tmp_path):
    (part,) = plan(tmp_path, paths(1, 2), HOW)
    lines = (tmp_path / IMAGES).read_text().splitlines(keepends=True)
    for content, problem in ((lines[0], "was cut off"), ("no JSON\n", "cannot be read"), ("3\n", "cannot be read")):
        (tmp_path / IMAGES).write_text(content)
        with pytest.raises(InputError, match=problem):
            images_of(tmp_path, part)
    (tmp_path / IMAGES).unlink()
    with pytest.raises(InputError, match="cannot be read") as refused:
        images_of(tmp_path, part)
    assert "share --output" in refused.value.hint


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        plan(tmp_path / "file", paths(1), HOW)


def test_the_list_of_images_can_be_localized_in_itself(tmp_path):
    plan(tmp_path, paths(1, 2), HOW)
    assert [json.loads(line)["image"] for line in (tmp_path / IMAGES).read_text().splitlines()] == ["1.jpg", "2.jpg"]
