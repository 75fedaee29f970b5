"""Time things side by side: in turn, so that a noisy machine is noisy for all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple


class Seconds(NamedTuple):
    """Seconds on the wall and of CPU time, all threads together."""

    wall: float
    cpu: float


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    """Take the median times of each run over some rounds, after one round that does not count."""
    times: dict[str, list[Seconds]] = {name: [] for name in runs}
    for counts in [False] + [True] * rounds:
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if counts:
                times[name].append(Seconds(time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: Seconds(median(one.wall for one in taken), median(one.cpu for one in taken))
        for name, taken in times.items()
    }
