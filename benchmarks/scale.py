"""The overhead of multi-process engines, and an estimate for a hundred million images.

Measured: images per second and CPU milliseconds per image of one process on one core, of two processes with half of the
images each (--shard), and of Ray with one and with two actors of one core. Each variant runs the command line with few
and with many images; results are the difference, and startup is reported separately. CPU time includes all processes of
a variant, with those of Ray; memory is that of the largest process. The variants alternate; medians over the rounds.

Estimated: the same for a hundred million images. Assumptions are printed, and are options.

    python benchmarks/scale.py [--images 1280 --rounds 2]
"""

import argparse
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np
from sample_images import write_images

from weakspot.inference.batch.ray.plan import ShardPlan, plan
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.shards import row_files
from weakspot.labels.from_localizations import read_localized_images

MILLION, MARK = 10**6, "WEAKSPOT_BENCHMARK"
ALL, PLANNED = 100 * MILLION, 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--few", type=int, default=256, help="number of images in the runs that measure startup")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core hour in dollars")
    parser.add_argument(
        "--terabyte-month", type=float, default=23.0, help="price of a terabyte of storage per month in dollars"
    )
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_list(folder, options.images, options.few)
        run(folder, "export", "tf_efficientnet_lite0", "--output", "model.onnx")
        costs = measure_costs(folder, options)
        print_costs(costs)
        sizes = measure_sizes(folder)
        print_estimate(costs["Ray, 2 actors"], sizes, options)


def write_list(folder: Path, images: int, few: int) -> None:
    """Write images of 500 x 375 with many hard links each, and lists of all and of few of them."""
    (folder / "images").mkdir()
    originals = write_images(folder / "images", 128)
    names = [f"images/link-{i:06}.jpg" for i in range(images)]
    for i, name in enumerate(names):
        os.link(originals[i % len(originals)], folder / name)
    for file, count in (("many.txt", images), ("few.txt", few)):
        (folder / file).write_text("".join(f"{name}\n" for name in names[:count]))


@dataclass(frozen=True)
class Cost:
    """Cost of a run: wall and CPU seconds, and peak megabytes of its largest process."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Costs:
    """Costs of a variant: seconds per image, startup seconds, and peak megabytes with few and with many images."""

    wall: float
    cpu: float
    start: float
    few: float
    many: float


def measure_costs(folder: Path, options: argparse.Namespace) -> dict[str, Costs]:
    """Run all variants in turn, with few and with many images."""
    model = ("--model", "model.onnx")
    ray = (*model, "--engine", "ray", "--images-per-shard", "64")
    variants: dict[str, Callable[[str, str], Cost]] = {
        "one process, one core": lambda images, out: run(folder, "localize", images, *model, "--output", out),
        "two shards, two cores": lambda images, out: run_both(folder, images, out, model),
        "Ray, 1 actor": lambda images, out: run(folder, "localize", images, *ray, "--num-actors", "1", "--output", out),
        "Ray, 2 actors": lambda images, out: run(
            folder, "localize", images, *ray, "--num-actors", "2", "--output", out
        ),
    }
    costs: dict[str, list[Costs]] = {name: [] for name in variants}
    more = options.images - options.few
    for number in range(options.rounds):
        for name, variant in variants.items():
            few = variant("few.txt", f"few-{name}-{number}")
            many = variant("many.txt", f"many-{name}-{number}")
            per_image = (many.wall - few.wall) / more
            start = few.wall - options.few * per_image
            print(name, few, many, file=sys.stderr, flush=True)
            costs[name].append(Costs(per_image, (many.cpu - few.cpu) / more, start, few.memory, many.memory))
    return {name: median_costs(rounds) for name, rounds in costs.items()}


def median_costs(rounds: list[Costs]) -> Costs:
    return Costs(*(median(getattr(one, field.name) for one in rounds) for field in fields(Costs)))


def run_both(folder: Path, images: str, output: str, words: tuple[str, ...]) -> Cost:
    """Run both shards concurrently."""
    shards = [
        RunningCommand(folder, "localize", images, *words, "--shard", f"{i}/2", "--output", output) for i in (1, 2)
    ]
    return wait(shards)


def run(folder: Path, *words: str) -> Cost:
    return wait([RunningCommand(folder, *words)])


class RunningCommand:
    """A running command line whose processes compute on one core each."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.mark = uuid4().hex.encode()
        variables = {MARK: self.mark.decode(), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, "-m", "weakspot", *words]
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.ticks: dict[str, int] = {}
        self.pages = 0

    def sample(self) -> None:
        """Record CPU time and memory of all processes of the command."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if process.name not in self.ticks and self.mark not in (process / "environ").read_bytes():
                    continue
                numbers = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended, or belongs to another user
                continue
            self.ticks[process.name] = int(numbers[11]) + int(numbers[12])
            self.pages = max(self.pages, int(numbers[21]))

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return sum(self.ticks.values()) / os.sysconf("SC_CLK_TCK")


def wait(runs: list[RunningCommand]) -> Cost:
    """Wait for concurrent commands, and return their total cost."""
    start = time.perf_counter()
    while any(one.process.poll() is None for one in runs):
        for one in runs:
            one.sample()
        time.sleep(0.1)
    wall = time.perf_counter() - start
    for one in runs:
        _, errors = one.process.communicate()
        if one.process.returncode:
            sys.exit(errors.decode())
    megabytes = max(one.pages for one in runs) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Cost(wall, sum(one.cpu for one in runs), megabytes)


def print_costs(costs: dict[str, Costs]) -> None:
    base = costs["one process, one core"]
    columns = ("images per second", "over one process", "CPU ms per image", "over one process", "startup, s")
    print(f"| variant | {' | '.join(columns)} | MB, few, many |")
    print("|---|---|---|---|---|---|---|")
    for name, one in costs.items():
        print(
            f"| {name} | {1 / one.wall:.1f} | {base.wall / one.wall:.2f} | {1000 * one.cpu:.2f} | "
            f"{one.cpu / base.cpu:.2f} | {one.start:.1f} | {one.few:.0f}, {one.many:.0f} |"
        )


@dataclass(frozen=True)
class Sizes:
    """Bytes per image, and seconds per million images."""

    jsonl: float
    parquet: float
    heatmap: float
    mask: float
    plan_memory: float
    plan_seconds: float
    label_memory: float


def measure_sizes(folder: Path) -> Sizes:
    """Measure the output files per image, and the memory of planning and labeling."""
    save_options = ("--save-heatmaps", "--save-masks")
    run(folder, "localize", "few.txt", "--model", "model.onnx", *save_options, "--output", "saved")
    rows = [row for _, row in read_rows(folder / "saved/boxes.jsonl")]
    many = [randomized(rows[i % len(rows)], i) for i in range(8192)]
    for suffix in ("jsonl", "parquet"):
        write_rows(folder / f"rows/boxes-000000.{suffix}", many)
    jsonl, parquet = row_files(folder / "rows")
    start = time.perf_counter()
    plan(folder / "plan", paths(), ShardPlan("jsonl", 16, 1000))
    seconds = time.perf_counter() - start
    return Sizes(
        jsonl.stat().st_size / len(many),
        parquet.stat().st_size / len(many),
        png_bytes(folder / "saved/heatmaps") / len(rows),
        png_bytes(folder / "saved/masks") / len(rows),
        peak_memory(lambda: plan(folder / "again", paths(), ShardPlan("jsonl", 16, 1000))) / PLANNED,
        seconds * MILLION / PLANNED,
        peak_memory(lambda: list(read_localized_images(jsonl))) / len(many),
    )


def paths() -> Iterator[Path]:
    """Generate the paths of images."""
    return (Path(f"images/{i // 1000:05}/{i:09}.jpg") for i in range(PLANNED))


def randomized(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the row of another image with random numbers, since equal rows would compress too well."""
    random = np.random.default_rng(number)
    box = (np.array(row["box"]) * random.uniform(0.5, 1, 4)).round(2).tolist()
    values = {"score": round(random.random(), 6), "box": box, "boxes": [box], "class_index": int(random.integers(1000))}
    return row | values | {"image": f"images/{number // 1000:05}/{number:09}.jpg", "label": row["label"]}


def peak_memory(make: Callable[[], object]) -> int:
    """Return the peak bytes of Python memory during a call."""
    tracemalloc.start()
    result = make()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return peak


def png_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.png"))


def print_estimate(costs: Costs, sizes: Sizes, options: argparse.Namespace) -> None:
    """Print the estimate for a hundred million images."""
    hours = costs.cpu * MILLION / 3600
    shards = -(-ALL // 1024)
    print(f"\nA million images: {hours:.1f} core hours, ${hours * options.core_hour:.2f}.")
    print(f"100 million images: {100 * hours:,.0f} core hours, {100 * hours / 1000:.1f} hours on 1000 cores.\n")
    print("| output of 100 million images | bytes per image | total | dollars per month |")
    print("|---|---|---|---|")
    kinds = {"boxes, JSON Lines": sizes.jsonl, "boxes, Parquet": sizes.parquet}
    kinds |= {"masks, PNG": sizes.mask, "heatmaps, PNG": sizes.heatmap}
    for name, size in kinds.items():
        terabytes = size * ALL / 1e12
        print(f"| {name} | {size:,.0f} | {terabytes:.3f} TB | {terabytes * options.terabyte_month:.2f} |")
    planned, labeled = sizes.plan_memory * ALL / 1e9, sizes.label_memory * MILLION / 1e9
    print(f"\nShards of 1024 images: {shards:,}.")
    print(f"Names in the driver: {sizes.plan_memory:.0f} bytes each, {planned:.0f} GB.")
    print(f"Planning: {sizes.plan_seconds:.1f} s per million names, {sizes.plan_seconds * 100 / 60:.0f} minutes.")
    print(f"weakspot label: {sizes.label_memory:,.0f} bytes per image, {labeled:.1f} GB for a million.")


if __name__ == "__main__":
    main()
