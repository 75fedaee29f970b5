"""A process that localizes one image at a time; these processes really crash."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from refusals import refused

from weakspot.errors import ModelError
from weakspot.inference.batch.ray.isolate import CrashLog, run_isolated

NAMES = ("b.jpg", "deadly.jpg", "c.jpg")


def localize(images, skip, *, deadly=()):
    """Yield a row for each image; deadly ones kill the process."""
    for image in images:
        if image in deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"image": image, "process": os.getpid()}


def factory(deadly=("deadly.jpg",)):
    return partial(localize, deadly=deadly)


def crashing_factory():
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_begun_is_remembered_by_those_who_come_after(tmp_path):
    first = CrashLog(tmp_path / "begun/part")
    first.begin()
    assert first.attempts == 1
    assert first.begin_image("a.jpg") == 0
    first.end_image("a.jpg")
    assert first.begin_image("caf\udce9.jpg") == 0  # and crashes
    second = CrashLog(tmp_path / "begun/part")
    second.begin()
    assert second.attempts == 2
    assert second.begin_image("a.jpg") == 0
    second.end_image("a.jpg")
    assert second.begin_image("caf\udce9.jpg") == 1
    second.end_image("b.jpg")
    assert CrashLog(tmp_path / "begun/part").begin_image("caf\udce9.jpg") == 2


def test_the_log_of_a_finished_shard_is_cleared(tmp_path):
    log = CrashLog(tmp_path / "begun/part")
    log.begin()
    log.begin_image("a.jpg")
    log.clear()
    log.clear()
    assert list((tmp_path / "begun").iterdir()) == []
    assert log.begin_image("a.jpg") == 0


def test_a_crash_while_the_model_is_loaded_is_a_model_error(tmp_path):
    with refused("worker-crashed", kind=ModelError):
        list(run_isolated(crashing_factory, ["a.jpg"], lambda *_: None, CrashLog(tmp_path / "shard")))


def failing_factory():
    raise ModelError("model-not-found", "xyz does not exist.")


def test_model_errors_reach_the_parent_process(tmp_path):
    with refused("model-not-found", "xyz", kind=ModelError):
        list(run_isolated(failing_factory, ["a.jpg"], lambda *_: None, CrashLog(tmp_path / "shard")))


def test_an_image_that_crashed_its_process_twice_is_skipped(tmp_path):
    log, skipped = CrashLog(tmp_path / "shard"), []
    for _ in range(2):
        log.begin_image("deadly.jpg")  # and crashes
    rows = list(run_isolated(factory, NAMES, lambda image, error: skipped.append((image, error.code)), log))
    assert [row["image"] for row in rows] == ["b.jpg", "c.jpg"]
    assert skipped == [("deadly.jpg", "image-crashes-worker")]
    assert len({row["process"] for row in rows}) == 1  # it was not tried


def test_the_child_process_ends_with_its_parent(tmp_path):
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            for row in run_isolated(factory, ["a.jpg"], lambda *_: None, CrashLog(tmp_path / "shard")):
                os.write(writer, str(row["process"]).encode())
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.waitpid(process, 0)
    child = int(os.read(reader, 20))
    for _ in range(200):
        if not alive(child):
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child process continues")


def alive(process):
    """Whether a process runs and is not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
