import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import numpy as np
import pytest
from services import PNGS, Held, shared_of

from weakspot.errors import InputError
from weakspot.serving.batching import QueueFullError, RequestOptions, RequestTimeoutError

WAY = RequestOptions("cam")


def test_each_gets_the_answer_to_what_it_asked(shared, localizer):
    def ask(i):
        return i, shared.localize(PNGS[i % 6], method=("cam", "layercam")[i % 2], classes=[i % 4], top_k=1)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(24)))
    for i, found in answers:
        alone = localizer.with_options(method=("cam", "layercam")[i % 2])(PNGS[i % 6], classes=[i % 4])
        assert (found.class_index, found.method) == (i % 4, alone.method)
        np.testing.assert_allclose(found.heatmap, alone.heatmap, atol=1e-5)


def test_those_who_ask_at_once_go_through_the_model_together(localizer, monkeypatch):
    held, sizes = Held(monkeypatch), []
    shared = shared_of(localizer, on_batch=sizes.append)
    first = shared.submit(PNGS[:2], WAY)
    held.begun.wait(10)
    later = shared.submit(PNGS * 3, WAY)
    held.released.set()
    assert len({answer.result(20).class_index for answer in (*first, *later)}) >= 1
    shared.close(timeout=10)
    assert sum(sizes) == 20
    assert max(sizes) > 2


def test_over_the_queue_all_of_a_request_is_refused(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer, waiting=3)
    running = [shared.submit([PNGS[0]], WAY) for _ in shared._threads]
    for _ in range(100):
        if not shared.queued:
            break
        threading.Event().wait(0.02)
    waiting = shared.submit(PNGS[:2], WAY)
    assert not shared.full
    with pytest.raises(QueueFullError, match=r"2 images are waiting already\.\nAsk again"):
        shared.submit(PNGS[:2], WAY)
    assert shared.queued == 2  # nothing of it
    shared.submit(PNGS[:1], WAY)
    assert shared.full
    held.released.set()
    assert all(answer.result(20) for answer in (*waiting, *(one for answers in running for one in answers)))
    assert shared.close(timeout=10)


def test_an_answer_that_nobody_waits_for_costs_nothing(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer)
    running = [shared.submit([PNGS[0]], WAY)[0]]
    held.begun.wait(10)
    forgotten = shared.submit(PNGS, WAY)
    assert all(answer.cancel() for answer in forgotten)
    held.released.set()
    assert shared.close(timeout=10)
    assert running[0].result(0)
    assert sum(held.sizes) == 1


def test_what_takes_too_long_is_said(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer, timeout=0.05)
    with pytest.raises(RequestTimeoutError, match=r"longer than 0.05 seconds"):
        shared.localize(PNGS[0], method="cam")
    held.released.set()
    shared.close(timeout=10)


def test_an_image_or_a_class_that_cannot_be_used_is_one_askers_own_error(shared):
    good, bad = shared.submit([PNGS[0], b"no image"], WAY)
    (unknown,) = shared.submit([PNGS[0]], RequestOptions("cam", classes=("zebra",)))
    assert good.result(20).boxes.shape == (1, 4)
    with pytest.raises(InputError, match="not an image"):
        bad.result(20)
    with pytest.raises(InputError, match="no class 'zebra'"):
        unknown.result(20)
    with pytest.raises(InputError, match="no method"):
        shared.localize(PNGS[0], method="magic")
    assert shared.works


def test_a_thread_outlives_any_error(localizer, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("too much")

    shared = shared_of(localizer)
    monkeypatch.setattr(type(localizer), "batch", fail)
    with pytest.raises(MemoryError):
        shared.localize(PNGS[0], method="cam")
    monkeypatch.undo()
    assert shared.localize(PNGS[0], method="cam").method == "cam"
    assert shared.works
    shared.close(timeout=10)


def test_closing_answers_those_that_wait_and_takes_no_more(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer)
    answers = shared.submit(PNGS, WAY)
    held.begun.wait(10)
    assert shared.busy
    closing = threading.Thread(target=shared.close, kwargs={"timeout": 20})
    closing.start()
    while not shared._closed:
        threading.Event().wait(0.01)
    with pytest.raises(RequestTimeoutError, match="about to stop"):
        shared.submit(PNGS, WAY)
    held.released.set()
    closing.join()
    assert all(answer.result(0) for answer in answers)
    assert not shared.works


def test_closing_gives_up_at_its_time(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer)
    running = [shared.submit([PNGS[0]], RequestOptions("cam", top_k=1 + i)) for i, _ in enumerate(shared._threads)]
    while shared.queued:
        threading.Event().wait(0.01)
    (waiting,) = shared.submit([PNGS[1]], WAY)
    assert not shared.close(timeout=0.1)
    with pytest.raises(CancelledError):
        waiting.result(0)
    held.released.set()
    assert all(one.result(20) for (one,) in running)


def test_who_wants_another_thing_waits_for_nobody_where_a_thread_is_free(localizer, monkeypatch):
    begun, released, batch = threading.Event(), threading.Event(), type(localizer).batch

    def slow_for_two(one, images, **options):
        if options["top_k"] == 2:
            begun.set()
            assert released.wait(20)
        return batch(one, images, **options)

    monkeypatch.setattr(type(localizer), "batch", slow_for_two)
    shared = shared_of(localizer)
    slow = shared.submit(PNGS[:1], RequestOptions("cam", top_k=2))
    quick = shared.submit(PNGS[:1], RequestOptions("cam"))
    assert begun.wait(10)
    assert quick[0].result(10).method == "cam"
    released.set()
    assert slow[0].result(10).others
    shared.close(timeout=10)


def test_many_short_rushes_leave_all_threads_alive(shared):
    with ThreadPoolExecutor(4) as threads:
        for _ in range(15):
            list(threads.map(lambda image: shared.localize(image, method="cam"), PNGS[:4]))
    assert shared.works
    assert not shared.queued
