"""An image that takes long to decode holds up neither other requests nor the model."""

import os
import signal

import httpx
import pytest
from hostile_images import jpeg_of_scans, slow_ppm
from services import PNGS, TIMEOUT, serving, small_localizer, wait_until

from weakspot.data import DecoderPool
from weakspot.data.decoder_limits import DecodingLimits
from weakspot.serving.batching import BatchingLocalizer, RequestOptions

CAM = RequestOptions("cam")


@pytest.fixture
def decoders():
    with DecoderPool(2, DecodingLimits(cpu_seconds=0.1)) as decoders:
        yield decoders


@pytest.fixture
def localizer(tmp_path, decoders):
    return small_localizer(tmp_path, decoders=decoders)


def post(service, content):
    return httpx.post(f"{service.url}/v1/localize", files={"image": content}, timeout=TIMEOUT)


def pause(decoders, count):
    """Start two processes and stop some of them: whoever uses one waits."""
    decoders.start(2)
    pids = [decoder._process.pid for decoder in decoders._state._idle[-count:]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


@pytest.mark.parametrize(
    ("content", "code"), [(slow_ppm(1_000_000), "decoding-too-slow"), (jpeg_of_scans(2000), "image-too-complex")]
)
def test_a_costly_image_is_an_error_of_its_request(localizer, content, code):
    with serving(localizer) as service:
        answer = post(service, content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert post(service, PNGS[0]).status_code == 200


def test_other_images_are_localized_while_one_is_decoded(localizer, decoders):
    batching = BatchingLocalizer(localizer, timeout=TIMEOUT)
    (pid,) = pause(decoders, 1)
    (waiting,) = batching.submit(PNGS[:1], CAM)
    wait_until(lambda: decoders._state._busy)
    others = batching.submit(PNGS[1:] * 3, CAM)
    assert all(future.result(TIMEOUT).boxes.shape == (1, 4) for future in others)
    assert not waiting.done()
    os.kill(pid, signal.SIGCONT)
    assert waiting.result(TIMEOUT)
    assert batching.close(timeout=TIMEOUT)


def test_a_service_is_not_ready_while_all_decoders_are_stuck(localizer, decoders, monkeypatch):
    monkeypatch.setattr("weakspot.data.decoder_pool._STUCK_SECONDS", -1000)  # those that have not started, too
    with serving(localizer) as service:
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        pids = pause(decoders, 2)
        futures = service.batching.submit(PNGS[:2], CAM)
        wait_until(lambda: decoders.is_stuck)
        answer = httpx.get(f"{service.url}/readyz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "decoders-busy")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert all(future.result(TIMEOUT) for future in futures)
        assert httpx.get(f"{service.url}/readyz").status_code == 200
