"""Parts, localized by stand-ins whose processes die for real."""

import os
import signal
from functools import partial

import pytest

from weakspot.cluster import parts
from weakspot.cluster.one_by_one import one_by_one
from weakspot.cluster.parts import BEGUN, DEATHS, localize_part
from weakspot.cluster.planning import Cutting, plan
from weakspot.errors import InputError, ModelError
from weakspot.manifests import Shard
from weakspot.rows import read_rows

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
    (part,) = plan(folder, names, Cutting("jsonl", 1, 1, size=9))
    return part


def images(file):
    return [row["image"] for _, row in read_rows(file)] if file.exists() else None


def test_a_part_has_its_rows_in_order_and_what_was_skipped(tmp_path):
    done = localize_part(tmp_path, planned(tmp_path), find, make)
    assert done == Shard("boxes-000000.jsonl", 5, 0, 4, 1)
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

    assert localize_part(tmp_path, part, mended, make) == Shard(part.file, 5, 0, 5, 0)
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
    write, written = parts.write_rows, []

    def cut(file, rows):
        if written:
            raise KeyboardInterrupt
        written.append(file)
        write(file, rows)

    monkeypatch.setattr(parts, "write_rows", cut)
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
    assert localize_part(tmp_path, part, make(), make) == Shard(part.file, 5, 0, 3, 2)
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
            localize_part(tmp_path, part, make(), make)
        os.waitpid(process, 0)
        assert (tmp_path / BEGUN / "boxes-000000").stat().st_size == times
    assert not (tmp_path / part.file).exists()


def test_a_model_that_kills_its_process_is_no_images_fault():
    with pytest.raises(ModelError, match="ends the process that loads it"):
        list(one_by_one(make_nothing, ["a.jpg"], lambda *_: None))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    part = planned(tmp_path)
    (tmp_path / BEGUN).touch()
    with pytest.raises(InputError, match="cannot be written") as refused:
        localize_part(tmp_path, part, find, make)
    assert "goes on" in refused.value.hint
