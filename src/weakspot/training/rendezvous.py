"""Where the processes that torchrun has started wait for each other, apart from the group in which lightning trains.

It can be waited in for as long as others compute, and ends at once where one of them does.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

from torch.distributed import BarrierOptions, ProcessGroupGloo
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from weakspot.training.distributed import peer_exited, started_by_torchrun

# torchrun starts all at once; what one of them computes may take long.
_ARRIVAL, _WAIT = timedelta(minutes=5), timedelta(days=1)
_numbers = count()

AllGather = Callable[[str], list[str]]


class Rendezvous:
    """Lets processes share texts.

    Args:
        store: One that all of them reach.
        rank: Number of this process.
        size: Number of all.

    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self._store, self._rank, self._size = store, rank, size
        self._shared = 0
        self._group: Any = ProcessGroupGloo(store, rank, size, _ARRIVAL)

    def share(self, text: str) -> list[str]:
        """Give the texts of all processes, as soon as each has one.

        Raises:
            InputError: If another process has ended.
        """
        self._shared += 1
        keys = [f"{self._shared}/{rank}" for rank in range(self._size)]
        options = BarrierOptions()
        options.timeout = _WAIT
        try:
            self._store.set(keys[self._rank], text)
            self._group.barrier(options).wait()
            return [self._store.get(key).decode() for key in keys]
        except RuntimeError as error:
            raise peer_exited() from error

    def close(self) -> None:
        """Let nobody wait for this process any more."""
        self._group = None


@contextmanager
def rendezvous_of_nodes() -> Iterator[AllGather]:
    """Meet the processes that torchrun has started; one that it has not started is alone here.

    Raises:
        InputError: If another process does not come.
    """
    if not started_by_torchrun() or os.environ["WORLD_SIZE"] == "1":
        yield lambda text: [text]
        return
    try:
        store, rank, size = next(rendezvous("env://", timeout=_ARRIVAL))
        met = Rendezvous(PrefixStore(f"weakspot/{next(_numbers)}", store), rank, size)
    except RuntimeError as error:
        raise peer_exited() from error
    try:
        yield met.share
    finally:
        met.close()
