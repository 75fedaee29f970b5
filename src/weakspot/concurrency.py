"""Process a stream in threads, in order, with a bounded number of pending items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Decoded = TypeVar("Decoded")
Output = TypeVar("Output")
Result = TypeVar("Result")


def pipelined(
    decode: Callable[[Item], Decoded],
    run: Callable[[list[Decoded]], Output],
    finish: Callable[[Output], Sequence[Result]],
    items: Iterable[Item],
    *,
    size: int,
    workers: int,
) -> Iterator[Result]:
    """Process a stream in three overlapping stages, for a model that uses several cores itself.

    ``decode`` is called for each item and ``finish`` for each output in ``workers`` threads; ``run`` is called for each
    batch of ``size`` decoded items in the thread of the caller. Items are read a few batches ahead of the results,
    which are in their order.

    Example:
        >>> list(pipelined(int, sum, lambda total: [total], "1234", size=2, workers=1))
        [3, 7]
    """
    with ThreadPoolExecutor(workers) as threads:
        decoded = ordered_map(decode, items, threads, max_pending=2 * size)
        for results in ordered_map(finish, map(run, batched(decoded, size)), threads, max_pending=2):
            yield from results


def parallel_batches(
    decode: Callable[[Item], Decoded],
    run: Callable[[list[Decoded]], Output],
    finish: Callable[[Output], Sequence[Result]],
    items: Iterable[Item],
    *,
    size: int,
) -> Iterator[Result]:
    """Process a stream in the same stages, one whole batch per core, for a model that uses a single core.

    ``size`` is the number of items in the batches of all cores; the results are in the order of the items.
    """
    threads = available_cores()

    def process(batch: list[Item]) -> Sequence[Result]:
        return finish(run([decode(item) for item in batch]))

    with ThreadPoolExecutor(threads) as executor:
        for results in ordered_map(process, batched(items, -(-size // threads)), executor, max_pending=2 * threads):
            yield from results


def available_cores() -> int:
    """Count the cores that this process may use, limited by ``$OMP_NUM_THREADS`` as in PyTorch.

    Ray and Slurm set it if several processes share a machine.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdecimal() and int(limit) else cores


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], executor: Executor, *, max_pending: int
) -> Iterator[Result]:
    """Apply a function to a stream in an executor; the results are in the order of the items.

    Items are read one by one, at most ``max_pending`` (1 or more) ahead of the results. An error of the function or of
    the stream is raised at the position of its result.
    """
    stream = _submitted(function, items, executor)
    pending = deque(islice(stream, max_pending))
    try:
        while pending:
            result = pending.popleft().result()
            pending.extend(islice(stream, 1))
            yield result
    finally:
        for future in pending:
            future.cancel()


def _submitted(
    function: Callable[[Item], Result], items: Iterable[Item], executor: Executor
) -> Iterator[Future[Result]]:
    """Submit items one by one; an error of the stream itself becomes the last future."""
    try:
        for item in items:
            yield executor.submit(function, item)
    except Exception as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        yield failed


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Group a stream into lists of ``size``, the last one possibly shorter; items before an error come before it."""
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
