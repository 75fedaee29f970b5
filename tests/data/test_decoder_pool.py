import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hostile_images import real_files
from PIL import Image
from refusals import refused
from services import wait_until

from weakspot.data import DecoderPool
from weakspot.data.decoder import Decoder
from weakspot.data.decoder_limits import DecodingLimits
from weakspot.data.decoding import read_downscaled
from weakspot.ops.preprocessing import resize_by_pillow, to_array

SIZE = {"height": 40, "width": 30}
PLAIN = real_files()["plain.jpg"]


@pytest.fixture
def decoders():
    with DecoderPool(1) as decoders:
        yield decoders


@pytest.fixture(scope="module")
def shared():
    with DecoderPool(1) as decoders:
        yield decoders


def pid_of(decoders):
    """Start the only process of a pool, and return its number."""
    decoders.read(PLAIN, **SIZE)
    (decoder,) = decoders._state._idle
    return decoder._process.pid


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Reading(threading.Thread):
    """Reads an image in another thread, and keeps its error."""

    def __init__(self, decoders):
        super().__init__(daemon=True)
        self.decoders, self.error = decoders, None
        self.start()

    def run(self):
        try:
            self.decoders.read(PLAIN, **SIZE)
        except Exception as error:
            self.error = error


@pytest.mark.parametrize("name", real_files())
@pytest.mark.parametrize("channels", [3, 1])
def test_pixels_equal_those_decoded_in_this_process(shared, name, channels, tmp_path):
    content = real_files()[name]
    (tmp_path / name).write_bytes(content)
    image, size = read_downscaled(content, **SIZE)
    expected = to_array(image, channels=channels)
    for source in (content, tmp_path / name, str(tmp_path / name)):
        pixels, found = shared.read(source, **SIZE, channels=channels)
        assert found == size
        np.testing.assert_array_equal(pixels, expected)
    resized, _ = shared.read(content, **SIZE, channels=channels, resize=True)
    np.testing.assert_array_equal(resized, resize_by_pillow(expected, **SIZE))


def test_a_large_jpeg_is_downscaled(shared, tmp_path):
    Image.new("RGB", (1600, 800), (9, 99, 200)).save(tmp_path / "large.jpg")
    pixels, size = shared.read(tmp_path / "large.jpg", **SIZE)
    assert (pixels.shape, size) == ((100, 200, 3), (800, 1600))


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "image-empty"), (b"text", "image-invalid"), (PLAIN[:900], "damaged-image")]
)
def test_the_error_of_an_image_names_it_as_it_was_given(shared, content, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("näme \udc80.jpg").write_bytes(content)
    with refused(code, "näme \udc80.jpg") as caught:
        shared.read("näme \udc80.jpg", **SIZE)
    assert str(tmp_path) not in str(caught.value)


def test_the_limit_of_pixels_holds(shared):
    with refused("image-too-large", 100):
        shared.read(PLAIN, **SIZE, max_pixels=100)


def test_relative_paths_start_from_the_current_folder(shared, tmp_path, monkeypatch):
    shared.read(PLAIN, **SIZE)
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").write_bytes(PLAIN)
    assert shared.read("a.jpg", **SIZE)[1] == (64, 96)


def test_modules_of_the_current_folder_are_not_imported(decoders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("numpy", "PIL", "json", "weakspot"):
        Path(f"{name}.py").write_text("raise SystemExit(1)")
    assert decoders.read(PLAIN, **SIZE)[1] == (64, 96)


def test_a_decoder_that_crashes_is_the_image_s_error_and_replaced(decoders):
    pid = pid_of(decoders)
    os.kill(pid, signal.SIGSTOP)
    reading = Reading(decoders)
    wait_until(lambda: decoders._state._busy)
    for number in (signal.SIGSEGV, signal.SIGCONT):
        os.kill(pid, number)
    reading.join()
    assert reading.error.code == "decoder-crashed"
    assert pid_of(decoders) != pid


def test_a_decoder_that_ended_while_idle_is_replaced(decoders):
    pid = pid_of(decoders)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid))
    assert pid_of(decoders) != pid


def test_a_decoder_that_does_not_answer_is_killed_by_the_clock_and_stuck_until_then(monkeypatch):
    with DecoderPool(1, DecodingLimits(wall_seconds=0.4)) as decoders:
        pid = pid_of(decoders)
        assert not decoders.is_stuck
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr("weakspot.data.decoder_pool._STUCK_SECONDS", 0)
        reading = Reading(decoders)
        wait_until(lambda: decoders.is_stuck)
        reading.join()
        assert reading.error.code == "decoding-too-slow"
        assert has_ended(pid)
        assert not decoders.is_stuck


@pytest.mark.parametrize(
    "header",
    [
        {"shape": [64, 96, 3], "numbers": [64]},
        {"shape": [64, 96, 1], "numbers": [64, 96]},
        {"shape": [640, 96, 3], "numbers": [64, 96]},
        {"shape": [64, -96, -3], "numbers": [64, 96]},
        {"shape": [96, 64], "numbers": [64, 96]},
        {"shape": None, "numbers": [64, 96]},
        {"shape": [64, 96, 3], "numbers": [10**9, 96]},
        {},
    ],
)
@pytest.mark.parametrize("function", ["read_downscaled", "read_file", "read_orientation"])
def test_an_impossible_answer_is_a_crash(function, header, monkeypatch):
    decoder = Decoder.start()
    monkeypatch.setattr(decoder, "_exchange", lambda *_, **__: (header, bytearray(64 * 96 * 3)))
    options = {"height": 40, "width": 30, "max_pixels": 10**6}
    request = {"function": function, "options": options, "channels": 3, "resize": False}
    with refused("decoder-crashed", "a.jpg"):
        decoder.decode(request, b"", "a.jpg")
    assert not decoder.is_usable
    decoder.end()


def test_processes_start_when_needed_have_their_own_session_and_end_with_the_pool():
    with DecoderPool(2) as decoders:
        assert not decoders._state._idle
        decoders.start(5)
        pids = [decoder._process.pid for decoder in decoders._state._idle]
        assert len(pids) == 2
        assert os.getsid(0) not in map(os.getsid, pids)
    assert all(map(has_ended, pids))
    decoders.start(1)  # it can be used again
    (decoder,) = decoders._state._idle
    del decoders
    assert has_ended(decoder._process.pid)


def test_processes_end_with_their_parent_however_it_ends(tmp_path):
    code = (
        "import os, weakspot.data as d\np = d.DecoderPool(1)\np.start()\n"
        "print(p._state._idle[0]._process.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=False)
    wait_until(lambda: has_ended(int(done.stdout)))


def test_a_process_that_cannot_start_is_an_error(monkeypatch):
    with DecoderPool(1) as decoders:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with refused("decoder-not-started", "a.jpg"):
            decoders.read("a.jpg", **SIZE)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with refused("decoder-not-started", "a.jpg"):
            decoders.read("a.jpg", **SIZE)


def test_all_that_wait_learn_that_no_process_can_start(decoders, monkeypatch):
    held = decoders._state.acquire("held.jpg")
    waiting = [Reading(decoders) for _ in range(3)]
    wait_until(lambda: len(decoders._state._changed._waiters) == 3)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    held.is_usable = False
    decoders._state.release(held)
    for reading in waiting:
        reading.join(60)
    assert [reading.error and reading.error.code for reading in waiting] == ["decoder-not-started"] * 3


def test_numbers_of_numpy_are_numbers(shared):
    size = {name: np.int16(side) for name, side in SIZE.items()}
    assert shared.read(PLAIN, **size, max_pixels=np.int32(2**31 - 1))[1] == (64, 96)
    with refused("image-too-large", 100):
        shared.read_file(PLAIN, max_pixels=np.int64(100))


def test_a_limit_that_is_no_number_is_not_a_crash(shared):
    with refused("out-of-range", "max_pixels", "many"):
        shared.read_file(PLAIN, max_pixels="many")


def test_many_threads_share_a_pool(shared):
    results = []
    threads = [threading.Thread(target=lambda: results.append(shared.read(PLAIN, **SIZE)[1])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(64, 96)] * 12


def test_size_must_be_at_least_one():
    with refused("out-of-range", 0):
        DecoderPool(0)


def test_time_limits_follow_the_pixels():
    limits = DecodingLimits(cpu_seconds=1, memory=100)
    assert limits.cpu_seconds_of("JPEG", 2_000_000) == 2
    assert limits.cpu_seconds_of("JPEG2000", 300_000) == 2
    assert limits.memory_of(10) == 420
