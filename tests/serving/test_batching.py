import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import numpy as np
import pytest
from refusals import refused
from services import PNGS, TIMEOUT, BlockedBatches, wait_until

from weakspot.errors import InputError
from weakspot.serving.batching import BatchingLocalizer, QueueFullError, RequestOptions, RequestTimeoutError

CAM = RequestOptions("cam")


@pytest.fixture
def blocked(monkeypatch):
    blocked = BlockedBatches(monkeypatch)
    yield blocked
    blocked.released.set()


@pytest.fixture
def start(localizer):
    """Starts batching localizers, and closes them."""
    started = []

    def start(**options):
        started.append(BatchingLocalizer(localizer, **({"timeout": TIMEOUT} | options)))
        return started[-1]

    yield start
    for batching in started:
        batching.close(timeout=TIMEOUT)


def occupy(batching):
    """Give each worker a batch of its own."""
    futures = [batching.submit([PNGS[0]], RequestOptions("cam", top_k=1 + i))[0] for i in range(2)]
    wait_until(lambda: not batching.queued)
    return futures


def test_each_request_has_its_own_result(batching, localizer):
    def localize(i):
        return i, batching.localize(PNGS[i % 6], method=("cam", "layercam")[i % 2], classes=[i % 4], top_k=1)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(localize, range(24)))
    for i, result in results:
        expected = localizer.with_options(method=("cam", "layercam")[i % 2])(PNGS[i % 6], classes=[i % 4])
        assert (result.class_index, result.method) == (i % 4, expected.method)
        np.testing.assert_allclose(result.heatmap, expected.heatmap, atol=1e-5)


def test_concurrent_requests_share_a_batch(start, blocked):
    sizes = []
    batching = start(on_batch=sizes.append)
    first = batching.submit(PNGS[:2], CAM)
    assert blocked.started.wait(TIMEOUT)
    later = batching.submit(PNGS * 3, CAM)
    blocked.released.set()
    assert all(future.result(TIMEOUT) for future in (*first, *later))
    assert sum(sizes) == 20
    assert max(sizes) > 2


def test_a_request_that_overflows_the_queue_is_rejected_as_a_whole(start, blocked):
    batching = start(max_queue=3)
    running = occupy(batching)
    queued = batching.submit(PNGS[:2], CAM)
    assert not batching.full
    with refused("queue-full", 2, kind=QueueFullError):
        batching.submit(PNGS[:2], CAM)
    assert batching.queued == 2
    batching.submit(PNGS[:1], CAM)
    assert batching.full
    blocked.released.set()
    assert all(future.result(TIMEOUT) for future in (*queued, *running))


def test_cancelled_requests_are_not_computed(start, blocked):
    batching = start()
    running = occupy(batching)
    assert all(future.cancel() for future in batching.submit(PNGS, CAM))
    blocked.released.set()
    assert batching.close(timeout=TIMEOUT)
    assert all(future.result(0) for future in running)
    assert sum(blocked.sizes) == 2


def test_a_request_that_takes_too_long_times_out(start, blocked):
    batching = start(timeout=0.05)
    with refused("request-timeout", 0.05, kind=RequestTimeoutError):
        batching.localize(PNGS[0], method="cam")


def test_an_unusable_image_or_class_fails_only_its_own_request(batching):
    good, bad = batching.submit([PNGS[0], b"text"], CAM)
    (unknown,) = batching.submit([PNGS[0]], RequestOptions("cam", classes=("zebra",)))
    assert good.result(TIMEOUT).boxes.shape == (1, 4)
    with pytest.raises(InputError):
        bad.result(TIMEOUT)
    with pytest.raises(InputError, match="zebra"):
        unknown.result(TIMEOUT)
    with pytest.raises(InputError, match="magic"):
        batching.localize(PNGS[0], method="magic")
    assert batching.ready


def test_a_worker_survives_any_error(start, localizer, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    batching = start()
    monkeypatch.setattr(type(localizer), "batch", fail)
    with pytest.raises(MemoryError):
        batching.localize(PNGS[0], method="cam")
    monkeypatch.undo()
    assert batching.localize(PNGS[0], method="cam").method == "cam"
    assert batching.ready


def test_close_processes_the_queue_and_accepts_no_more(start, blocked):
    batching = start()
    futures = batching.submit(PNGS, CAM)
    assert blocked.started.wait(TIMEOUT)
    assert batching.busy
    closing = threading.Thread(target=batching.close, kwargs={"timeout": TIMEOUT})
    closing.start()
    wait_until(lambda: not batching.ready)
    with refused("service-stopping", kind=RequestTimeoutError):
        batching.submit(PNGS, CAM)
    blocked.released.set()
    closing.join()
    assert all(future.result(0) for future in futures)


def test_close_cancels_the_queue_at_its_timeout(start, blocked):
    batching = start()
    running = occupy(batching)
    (queued,) = batching.submit([PNGS[1]], CAM)
    assert not batching.close(timeout=0.1)
    with pytest.raises(CancelledError):
        queued.result(0)
    blocked.released.set()
    assert all(future.result(TIMEOUT) for future in running)


def test_a_request_with_other_options_uses_an_idle_worker(start, localizer, monkeypatch):
    started, released, batch = threading.Event(), threading.Event(), type(localizer).batch

    def block_top_2(localizer, images, **options):
        if options["top_k"] == 2:
            started.set()
            assert released.wait(TIMEOUT)
        return batch(localizer, images, **options)

    monkeypatch.setattr(type(localizer), "batch", block_top_2)
    batching = start()
    (slow,) = batching.submit(PNGS[:1], RequestOptions("cam", top_k=2))
    (fast,) = batching.submit(PNGS[:1], CAM)
    assert started.wait(TIMEOUT)
    assert fast.result(TIMEOUT).method == "cam"
    released.set()
    assert slow.result(TIMEOUT).others


def test_workers_survive_many_short_bursts(batching):
    with ThreadPoolExecutor(4) as threads:
        for _ in range(15):
            list(threads.map(lambda image: batching.localize(image, method="cam"), PNGS[:4]))
    assert batching.ready
    assert not batching.queued
