"""Measure wall and CPU time, of several runs in turn, so that a noisy machine affects all of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Seconds(NamedTuple):
    """Wall time and CPU time of all threads, in seconds."""

    wall: float
    cpu: float


def measure(run: Callable[[], object]) -> Seconds:
    """Measure a call in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def measure_python(arguments: Sequence[str | Path], cwd: Path | None = None) -> Seconds:
    """Measure a new Python process with these arguments."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, cwd=cwd, stdout=subprocess.DEVNULL)
    after, end = os.times(), time.perf_counter()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Seconds(end - start, cpu)


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    """Return the median times of each run over several rounds, after one warm-up round."""
    times: dict[str, list[Seconds]] = {name: [] for name in runs}
    for is_measured in [False] + [True] * rounds:
        for name, run in runs.items():
            seconds = measure(run)
            if is_measured:
                times[name].append(seconds)
    return {
        name: Seconds(median(one.wall for one in seconds), median(one.cpu for one in seconds))
        for name, seconds in times.items()
    }
