"""Shards, localized by functions whose processes really crash."""

import os
import signal
from functools import partial

import pytest
from refusals import refused

from weakspot.errors import InputError
from weakspot.inference.batch.ray import shard
from weakspot.inference.batch.ray.plan import ShardPlan, plan
from weakspot.inference.batch.ray.shard import ATTEMPTS, MAX_CRASHES, localize_shard
from weakspot.io.manifest import ShardInfo
from weakspot.io.rows import read_rows

NAMES = ("a.jpg", "bad.jpg", "b.jpg", "deadly.jpg", "c.jpg")


def localize(images, skip, *, deadly=()):
    """Yield a row for each image but the bad ones; deadly ones kill the process."""
    for image in images:
        if image in deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if image.startswith("bad"):
            skip(image, InputError("damaged-file", f"{image} is damaged."))
        else:
            yield {"image": image, "process": os.getpid()}


def factory(deadly=("deadly.jpg",)):
    return partial(localize, deadly=deadly)


def planned(folder, names=NAMES):
    (shard_info,) = plan(folder, names, ShardPlan("jsonl", 1, 1, images_per_shard=9))
    return shard_info


def images(file):
    return [row["image"] for _, row in read_rows(file)] if file.exists() else None


def test_a_shard_has_its_rows_in_order_and_the_skipped_images(tmp_path):
    done = localize_shard(tmp_path, planned(tmp_path), localize, factory)
    assert done == ShardInfo("boxes-000000.jsonl", 5, 0, 4, 1)
    assert images(tmp_path / "boxes-000000.jsonl") == ["a.jpg", "b.jpg", "deadly.jpg", "c.jpg"]
    assert images(tmp_path / "skipped-000000.jsonl") == ["bad.jpg"]
    assert list((tmp_path / ATTEMPTS).iterdir()) == []


def test_a_repeated_shard_localizes_only_images_without_a_row(tmp_path):
    shard_info, requested = planned(tmp_path), []
    localize_shard(tmp_path, shard_info, localize, factory)
    before = [row for _, row in read_rows(tmp_path / shard_info.file)]

    def repaired(names, skip):
        requested.extend(names)
        return ({"image": name} for name in names)

    assert localize_shard(tmp_path, shard_info, repaired, factory) == ShardInfo(shard_info.file, 5, 0, 5, 0)
    assert requested == ["bad.jpg"]
    assert images(tmp_path / shard_info.file) == list(NAMES)
    assert [row for _, row in read_rows(tmp_path / shard_info.file) if row["image"] != "bad.jpg"] == before
    assert not (tmp_path / "skipped-000000.jsonl").exists()


@pytest.mark.parametrize("again", [False, True])
def test_an_interruption_between_both_files_loses_no_image(tmp_path, monkeypatch, again):
    """If rows exist, images without a row are in the list of skipped images."""
    shard_info = planned(tmp_path, ("a.jpg", "bad.jpg", "bad too.jpg"))
    if again:
        localize_shard(tmp_path, shard_info, localize, factory)
    write, written = shard.write_rows, []

    def interrupted(file, rows):
        if written:
            raise KeyboardInterrupt
        written.append(file)
        write(file, rows)

    monkeypatch.setattr(shard, "write_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        localize_shard(tmp_path, shard_info, all_but_one, factory)
    rows, skipped = images(tmp_path / shard_info.file), images(tmp_path / "skipped-000000.jsonl")
    assert rows == (["a.jpg", "bad.jpg"] if again else None)
    assert "bad too.jpg" in skipped


def all_but_one(names, skip):
    """Yield rows for all images but one."""
    for name in names:
        if name == "bad too.jpg":
            skip(name, InputError("damaged-file", f"{name} is damaged."))
        else:
            yield {"image": name}


def test_a_shard_that_crashed_two_workers_is_localized_image_by_image(tmp_path):
    shard_info = planned(tmp_path)
    (tmp_path / ATTEMPTS).mkdir()
    (tmp_path / ATTEMPTS / "boxes-000000").write_bytes(b"." * MAX_CRASHES)
    assert localize_shard(tmp_path, shard_info, factory(), factory) == ShardInfo(shard_info.file, 5, 0, 3, 2)
    assert images(tmp_path / shard_info.file) == ["a.jpg", "b.jpg", "c.jpg"]
    assert images(tmp_path / "skipped-000000.jsonl") == ["bad.jpg", "deadly.jpg"]
    processes = [row["process"] for _, row in read_rows(tmp_path / shard_info.file)]
    assert processes[0] == processes[1] != processes[2]
    assert os.getpid() not in processes
    assert list((tmp_path / ATTEMPTS).iterdir()) == []


def test_crashes_of_a_worker_are_counted(tmp_path):
    shard_info = planned(tmp_path)
    for times in (1, 2):
        process = os.fork()
        if process == 0:
            try:
                localize_shard(tmp_path, shard_info, factory(), factory)
            finally:
                os._exit(1)  # the child must not continue as a second test process
        os.waitpid(process, 0)
        assert (tmp_path / ATTEMPTS / "boxes-000000").stat().st_size == times
    assert not (tmp_path / shard_info.file).exists()


def test_missing_rows_are_computed_again(tmp_path):
    shard_info = planned(tmp_path)
    localize_shard(tmp_path, shard_info, localize, factory)
    file = tmp_path / shard_info.file
    whole = images(file)
    for content in (b"", file.read_bytes()[:50], b"no rows\n"):
        file.write_bytes(content)
        localize_shard(tmp_path, shard_info, localize, factory)
        assert images(file) == whole


def test_a_name_that_is_not_utf8_is_skipped_for_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    (shard_info,) = plan(tmp_path, ["caf\udce9.jpg"], ShardPlan("parquet", 1, 1))
    done = localize_shard(tmp_path, shard_info, localize, factory)
    assert (done.localized, done.skipped) == (0, 1)
    (row,) = (row for _, row in read_rows(tmp_path / "skipped-000000.jsonl"))
    assert row["image"] == "caf\udce9.jpg"


def test_an_attempt_that_cannot_be_recorded_is_refused(tmp_path):
    shard_info = planned(tmp_path)
    (tmp_path / ATTEMPTS).touch()
    with refused("not-writable", "boxes-000000"):
        localize_shard(tmp_path, shard_info, localize, factory)
