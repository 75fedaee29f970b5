"""Parts, localized by stand-ins whose processes die for real."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from weakspot.errors import InputError, ModelError
from weakspot.inference.batch.ray import shard
from weakspot.inference.batch.ray.crash_log import CrashLog
from weakspot.inference.batch.ray.isolate import run_isolated
from weakspot.inference.batch.ray.plan import ShardPlan, plan
from weakspot.inference.batch.ray.shard import BEGUN, DEATHS, localize_part
from weakspot.io.manifest import ShardInfo
from weakspot.io.rows import read_rows

NAMES = ("a.jpg", "bad.jpg", "b.jpg", "deadly.jpg", "c.jpg")


def find(images, skip, *, deadly=()):
    """A row for each image; some cannot be localized, and of some the process dies."""
    for image in images:
        if image in deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if image.startswith("bad"):
            skip(image, InputError(f"{image} is damaged.", "Copy it again."))
        else:
            yield {"image": image, "process": os.getpid()}


def make(deadly=("deadly.jpg",)):
    return partial(find, deadly=deadly)


def make_nothing():
    os.kill(os.getpid(), signal.SIGKILL)


def planned(folder, names=NAMES):
    (part,) = plan(folder, names, ShardPlan("jsonl", 1, 1, size=9))
    return part


def images(file):
    return [row["image"] for _, row in read_rows(file)] if file.exists() else None


def test_a_part_has_its_rows_in_order_and_what_was_skipped(tmp_path):
    done = localize_part(tmp_path, planned(tmp_path), find, make)
    assert done == ShardInfo("boxes-000000.jsonl", 5, 0, 4, 1)
    assert images(tmp_path / "boxes-000000.jsonl") == ["a.jpg", "b.jpg", "deadly.jpg", "c.jpg"]
    assert images(tmp_path / "skipped-000000.jsonl") == ["bad.jpg"]
    assert list((tmp_path / BEGUN).iterdir()) == []


def test_a_part_that_is_done_again_looks_at_what_has_no_row_only(tmp_path):
    part, asked = planned(tmp_path), []
    localize_part(tmp_path, part, find, make)
    before = [row for _, row in read_rows(tmp_path / part.file)]

    def mended(names, skip):
        asked.extend(names)
        return ({"image": name} for name in names)

    assert localize_part(tmp_path, part, mended, make) == ShardInfo(part.file, 5, 0, 5, 0)
    assert asked == ["bad.jpg"]
    assert images(tmp_path / part.file) == list(NAMES)
    assert [row for _, row in read_rows(tmp_path / part.file) if row["image"] != "bad.jpg"] == before
    assert not (tmp_path / "skipped-000000.jsonl").exists()


@pytest.mark.parametrize("again", [False, True])
def test_a_cut_between_both_files_loses_no_image(tmp_path, monkeypatch, again):
    """Where there are rows, an image that has none is in the list of those skipped."""
    part = planned(tmp_path, ("a.jpg", "bad.jpg", "bad too.jpg"))
    if again:
        localize_part(tmp_path, part, find, make)
    write, written = shard.write_rows, []

    def cut(file, rows):
        if written:
            raise KeyboardInterrupt
        written.append(file)
        write(file, rows)

    monkeypatch.setattr(shard, "write_rows", cut)
    with pytest.raises(KeyboardInterrupt):
        localize_part(tmp_path, part, mended_but_too, make)
    rows, skipped = images(tmp_path / part.file), images(tmp_path / "skipped-000000.jsonl")
    assert rows == (["a.jpg", "bad.jpg"] if again else None)
    assert "bad too.jpg" in skipped


def mended_but_too(names, skip):
    """Finds in all but one image."""
    for name in names:
        if name == "bad too.jpg":
            skip(name, InputError("It is damaged.", "Copy it again."))
        else:
            yield {"image": name}


def test_a_part_that_has_killed_two_workers_is_gone_through_one_by_one(tmp_path):
    part = planned(tmp_path)
    (tmp_path / BEGUN).mkdir()
    (tmp_path / BEGUN / "boxes-000000").write_bytes(b"." * DEATHS)
    assert localize_part(tmp_path, part, make(), make) == ShardInfo(part.file, 5, 0, 3, 2)
    assert images(tmp_path / part.file) == ["a.jpg", "b.jpg", "c.jpg"]
    assert images(tmp_path / "skipped-000000.jsonl") == ["bad.jpg", "deadly.jpg"]
    processes = [row["process"] for _, row in read_rows(tmp_path / part.file)]
    assert processes[0] == processes[1] != processes[2]
    assert os.getpid() not in processes
    assert list((tmp_path / BEGUN).iterdir()) == []


def test_a_worker_that_dies_leaves_its_count(tmp_path):
    part = planned(tmp_path)
    for times in (1, 2):
        process = os.fork()
        if process == 0:
            try:
                localize_part(tmp_path, part, make(), make)
            finally:
                os._exit(1)  # what is not killed must not go on as a second test process
        os.waitpid(process, 0)
        assert (tmp_path / BEGUN / "boxes-000000").stat().st_size == times
    assert not (tmp_path / part.file).exists()


def test_a_model_that_kills_its_process_is_no_images_fault(tmp_path):
    with pytest.raises(ModelError, match="ends the process that loads it"):
        list(run_isolated(make_nothing, ["a.jpg"], lambda *_: None, CrashLog(tmp_path / "part")))


def make_no_model():
    raise ModelError("There is no such model.", "Name another.")


def test_what_is_wrong_with_a_model_is_told_by_the_other_process(tmp_path):
    with pytest.raises(ModelError, match="There is no such model"):
        list(run_isolated(make_no_model, ["a.jpg"], lambda *_: None, CrashLog(tmp_path / "part")))


def test_an_image_of_which_the_watching_process_has_died_twice_is_skipped(tmp_path):
    record, skipped = CrashLog(tmp_path / "part"), []
    for _ in range(2):
        record.begin_image("deadly.jpg")  # and dies
    found = list(run_isolated(make, NAMES[2:], lambda image, error: skipped.append((image, error.problem)), record))
    assert [row["image"] for row in found] == ["b.jpg", "c.jpg"]
    assert skipped == [("deadly.jpg", "deadly.jpg ends the process that localizes it.")]
    assert len({row["process"] for row in found}) == 1  # it was not tried


def test_the_other_process_ends_with_the_one_that_has_started_it(tmp_path):
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            for row in run_isolated(make, ["a.jpg"], lambda *_: None, CrashLog(tmp_path / "part")):
                os.write(tell, str(row["process"]).encode())
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.waitpid(process, 0)
    other = int(os.read(told, 20))
    for _ in range(200):
        if not alive(other):
            return
        time.sleep(0.05)
    os.kill(other, signal.SIGKILL)
    pytest.fail("it goes on alone")


def alive(process):
    """Whether a process runs; one that nobody has buried does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_rows_that_were_cut_off_are_found_again(tmp_path):
    part = planned(tmp_path)
    localize_part(tmp_path, part, find, make)
    file = tmp_path / part.file
    whole = images(file)
    for content in (b"", file.read_bytes()[:50], b"no rows\n"):
        file.write_bytes(content)
        localize_part(tmp_path, part, find, make)
        assert images(file) == whole


def test_a_name_that_parquet_cannot_hold_is_skipped(tmp_path):
    pytest.importorskip("pyarrow")
    (part,) = plan(tmp_path, ["caf\udce9.jpg"], ShardPlan("parquet", 1, 1))
    done = localize_part(tmp_path, part, find, make)
    assert (done.localized, done.skipped) == (0, 1)
    (row,) = (row for _, row in read_rows(tmp_path / "skipped-000000.jsonl"))
    assert row["image"] == "caf\udce9.jpg"
    assert "is not UTF-8" in row["problem"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    part = planned(tmp_path)
    (tmp_path / BEGUN).touch()
    with pytest.raises(InputError, match="cannot be written") as refused:
        localize_part(tmp_path, part, find, make)
    assert "goes on" in refused.value.hint
