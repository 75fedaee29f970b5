"""Work on a stream in threads, in order, with a bounded number of items under way."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Decoded = TypeVar("Decoded")
Read = TypeVar("Read")
Result = TypeVar("Result")


def pipelined(
    decode: Callable[[Item], Decoded],
    read: Callable[[list[Decoded]], Read],
    finish: Callable[[Read], Sequence[Result]],
    items: Iterable[Item],
    *,
    size: int,
    workers: int,
) -> Iterator[Result]:
    """Take a stream through three stages that overlap: for a model that shares its work between cores itself.

    Args:
        decode: Applied to each item, in threads.
        read: Applied to batches of what was decoded, in the thread that asks for results.
        finish: Applied to what was read, in threads.
        items: Taken a few batches ahead of the results.
        size: Items in a batch.
        workers: Number of threads.

    Yields:
        The results, in the order of the items.

    Example:
        >>> list(pipelined(int, sum, lambda total: [total], "1234", size=2, workers=1))
        [3, 7]
    """
    with ThreadPoolExecutor(workers) as threads:
        decoded = ordered_map(decode, items, threads, max_pending=2 * size)
        for results in ordered_map(finish, map(read, batched(decoded, size)), threads, max_pending=2):
            yield from results


def parallel_batches(
    decode: Callable[[Item], Decoded],
    read: Callable[[list[Decoded]], Read],
    finish: Callable[[Read], Sequence[Result]],
    items: Iterable[Item],
    *,
    size: int,
) -> Iterator[Result]:
    """Take a stream through the same stages, whole batches on each core: for a model that runs on one.

    Args:
        decode: Applied to each item.
        read: Applied to batches of what was decoded.
        finish: Applied to what was read.
        items: Taken a few batches ahead of the results.
        size: Items in the batches of all cores.

    Yields:
        The results, in the order of the items.

    Example:
        >>> sum(parallel_batches(int, sum, lambda total: [total], "1234", size=2))
        10
    """
    threads = available_cores()

    def work(batch: list[Item]) -> Sequence[Result]:
        return finish(read([decode(item) for item in batch]))

    with ThreadPoolExecutor(threads) as executor:
        for results in ordered_map(work, batched(items, -(-size // threads)), executor, max_pending=2 * threads):
            yield from results


def available_cores() -> int:
    """Count the cores that this process may use: no more than ``$OMP_NUM_THREADS``, which PyTorch keeps to, too.

    Ray and Slurm set it where several processes share a machine.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, int(most)) if most.isdecimal() and int(most) else there


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], executor: Executor, *, max_pending: int
) -> Iterator[Result]:
    """Apply a function to a stream in an executor; results come in the order of the items.

    Args:
        function: Applied to each item.
        items: Taken one by one, never more than ``max_pending`` before the results that were asked for.
        executor: Where the function runs.
        max_pending: How many items may be under way at once, at least 1.

    Yields:
        The results. An error of the function, or of the stream, is raised where its result would have come.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(2) as threads:
        ...     list(ordered_map(abs, [-3, 1, -2], threads, max_pending=2))
        [3, 1, 2]
    """
    stream = _submitted(function, items, executor)
    under_way = deque(islice(stream, max_pending))
    try:
        while under_way:
            result = under_way.popleft().result()
            under_way.extend(islice(stream, 1))
            yield result
    finally:
        for future in under_way:
            future.cancel()


def _submitted(
    function: Callable[[Item], Result], items: Iterable[Item], executor: Executor
) -> Iterator[Future[Result]]:
    """Submit items one by one; an error of the stream itself becomes the last result."""
    try:
        for item in items:
            yield executor.submit(function, item)
    except Exception as error:
        broken: Future[Result] = Future()
        broken.set_exception(error)
        yield broken


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Group a stream into lists of ``size``, the last one shorter; an error of the stream comes after what it gave.

    Example:
        >>> list(batched("abc", 2))
        [['a', 'b'], ['c']]
    """
    batch: list[Item] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
