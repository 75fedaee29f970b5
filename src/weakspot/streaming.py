"""Work on a stream in threads, in order, with a bounded number of items under way."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], executor: Executor, *, ahead: int
) -> Iterator[Result]:
    """Apply a function to a stream in an executor; results come in the order of the items.

    Args:
        function: Applied to each item.
        items: Taken one by one, never more than ``ahead`` before the results that were asked for.
        executor: Where the function runs.
        ahead: How many items may be under way at once, at least 1.

    Yields:
        The results. An error of the function, or of the stream, is raised where its result would have come.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(2) as threads:
        ...     list(ordered_map(abs, [-3, 1, -2], threads, ahead=2))
        [3, 1, 2]
    """
    stream = _submitted(function, items, executor)
    under_way = deque(islice(stream, ahead))
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
