from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import chain, count
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from weakspot import concurrency
from weakspot.concurrency import batched, ordered_map, parallel_batches, pipelined
from weakspot.errors import InputError


class AtOnce(Executor):
    """Runs each call when it is submitted."""

    def submit(self, function, /, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except ZeroDivisionError as error:
            future.set_exception(error)
        return future


def reciprocal(number):
    return 1 / number


def test_results_come_in_order_though_a_later_one_is_ready_first():
    second_is_done = Event()

    def answer(item):
        return second_is_done.wait(10) if item == 0 else second_is_done.set()

    with ThreadPoolExecutor(2) as threads:
        assert list(ordered_map(answer, [0, 1], threads, max_pending=2)) == [True, None]


@pytest.mark.parametrize("max_pending", [1, 3])
def test_an_endless_stream_is_read_only_max_pending_ahead(max_pending):
    items = count()
    results = ordered_map(abs, items, AtOnce(), max_pending=max_pending)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert next(items) == 5 + max_pending


def test_nothing_is_read_before_the_first_result():
    items = count()
    ordered_map(abs, items, AtOnce(), max_pending=3)
    assert next(items) == 0


def test_error_is_raised_at_the_position_of_its_result():
    results = ordered_map(reciprocal, [1, 2, 0, 4], AtOnce(), max_pending=4)
    assert [next(results), next(results)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("end", ["closed", "failed"])
def test_what_has_not_begun_is_cancelled_when_the_stream_is(end):
    begun, released = [], Event()

    def slow_after_the_first(item):
        begun.append(item)
        if item == 1:
            released.wait(10)
        return 1 / (item if end == "failed" else 1)

    with ThreadPoolExecutor(1) as threads:
        results = ordered_map(slow_after_the_first, [0, 1, 2, 3], threads, max_pending=4)
        if end == "failed":
            with pytest.raises(ZeroDivisionError):
                next(results)
        else:
            next(results)
            results.close()
        released.set()
    assert not {2, 3} & set(begun)


def test_empty_stream_has_no_results():
    assert list(ordered_map(abs, [], AtOnce(), max_pending=2)) == []


@given(st.lists(st.integers()), st.integers(1, 9), st.integers(1, 3))
@settings(deadline=None)
def test_ordered_map_equals_map(items, max_pending, threads):
    with ThreadPoolExecutor(threads) as executor:
        assert list(ordered_map(str, items, executor, max_pending=max_pending)) == list(map(str, items))


@pytest.mark.parametrize(
    ("items", "batches"),
    [
        pytest.param("", [], id="none"),
        pytest.param("a", [["a"]], id="fewer than one batch"),
        pytest.param("abcd", [["a", "b"], ["c", "d"]], id="whole batches"),
        pytest.param("abcde", [["a", "b"], ["c", "d"], ["e"]], id="the last one shorter"),
    ],
)
def test_batches_are_full_but_for_the_last(items, batches):
    assert list(batched(items, 2)) == batches


def test_batches_are_read_one_at_a_time():
    items = count()
    assert next(batched(items, 3)) == [0, 1, 2]
    assert next(items) == 3


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_equal_slices(items, size):
    assert list(batched(items, size)) == [items[start : start + size] for start in range(0, len(items), size)]


def test_error_of_the_stream_itself_comes_after_the_results_before_it():
    def paths():
        yield from (1, 2, 3)
        raise InputError("no-images", "Nothing matches *.gif.")

    results = ordered_map(abs, paths(), AtOnce(), max_pending=8)
    assert [next(results) for _ in range(3)] == [1, 2, 3]
    with refused("no-images"):
        next(results)


@pytest.mark.parametrize("good", [0, 3, 7])
def test_items_before_an_error_form_a_batch(good):
    def items():
        yield from range(good)
        raise InputError("damaged-file", "Broken.")

    batches, taken = batched(items(), 4), []
    with refused("damaged-file"):
        taken.extend(batches)
    assert list(chain.from_iterable(taken)) == list(range(good))


WAYS = [pytest.param({"workers": 2}, id="in stages"), pytest.param({}, id="on each core")]


def through(items, run=list, *, size=4, workers=None):
    """Text to numbers, squared batch by batch."""
    way = {"decode": int, "run": run, "finish": lambda batch: [number**2 for number in batch]}
    if workers is None:
        return parallel_batches(**way, items=items, size=size)
    return pipelined(**way, items=items, size=size, workers=workers)


@pytest.mark.parametrize("way", WAYS)
@given(count=st.integers(0, 20), size=st.integers(1, 7))
def test_a_stream_through_all_stages_keeps_its_order(way, count, size):
    assert list(through(map(str, range(count)), size=size, **way)) == [i**2 for i in range(count)]


@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_a_stage_ends_the_stream_at_its_batch(way):
    results = through("12x4", size=1, **way)
    assert [next(results), next(results)] == [1, 4]
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)


@pytest.mark.parametrize("way", WAYS)
def test_an_endless_stream_is_read_a_few_batches_ahead(way):
    items = count()
    results = through(map(str, items), size=4, **way)
    assert [next(results) for _ in range(9)] == [i**2 for i in range(9)]
    results.close()
    assert next(items) <= 9 + 7 * 4


def test_cores_share_a_batch(monkeypatch):
    monkeypatch.setattr(concurrency, "available_cores", lambda: 3)
    sizes = []

    def read(batch):
        sizes.append(len(batch))
        return batch

    assert list(through("12345678", read, size=7)) == [1, 4, 9, 16, 25, 36, 49, 64]
    assert sorted(sizes) == [2, 3, 3]


def test_batches_run_on_several_cores_at_once(monkeypatch):
    monkeypatch.setattr(concurrency, "available_cores", lambda: 2)
    second_has_begun = Event()

    def read(batch):
        if batch == [1]:
            assert second_has_begun.wait(10)
        second_has_begun.set()
        return batch

    assert list(through("12", read, size=2)) == [1, 4]
