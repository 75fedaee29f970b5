"""What an engine of many processes costs, and what a hundred million images would cost, on paper.

Measured: images a second and CPU milliseconds an image of one process on one core, of two of them that have half of the
images each (--shard), and of Ray with one and with two actors of a core. Each way runs the command line with few and
with many images, and what is told is the difference: how long it takes to start is told beside it. CPU time is that of
all processes that a way has started, Ray's own included; memory that of the largest. The ways take turns; medians over
the rounds.

On paper: the same with a hundred million images. Assumptions are printed, and are options.

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
from localize import write_photos

from weakspot.inference.batch.ray.plan import ShardPlan, plan
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.shards import row_files
from weakspot.labels.from_localizations import read_localized_images

MILLION, MARK = 10**6, "WEAKSPOT_BENCHMARK"
ALL, PLANNED = 100 * MILLION, 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--few", type=int, default=256, help="of them, in the runs that tell what starting takes")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core for an hour, in dollars")
    parser.add_argument("--terabyte-month", type=float, default=23.0, help="price of keeping a terabyte for a month")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_list(folder, options.images, options.few)
        run(folder, "export", "tf_efficientnet_lite0", "--output", "model.onnx")
        costs = measured(folder, options)
        print_measured(costs)
        sizes = measured_sizes(folder)
        print_on_paper(costs["Ray, 2 actors"], sizes, options)


def write_list(folder: Path, images: int, few: int) -> None:
    """Photos of 500 x 375, of which each is linked under many names; a list of all, and one of few."""
    (folder / "photos").mkdir()
    originals = write_photos(folder / "photos", 128)
    names = [f"photos/link-{i:06}.jpg" for i in range(images)]
    for i, name in enumerate(names):
        os.link(originals[i % len(originals)], folder / name)
    for file, count in (("many.txt", images), ("few.txt", few)):
        (folder / file).write_text("".join(f"{name}\n" for name in names[:count]))


@dataclass(frozen=True)
class Cost:
    """What a run takes: seconds, and the most megabytes that one of its processes had."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Costs:
    """Of one way: seconds an image, what starting takes, and the most megabytes with few images and with many."""

    wall: float
    cpu: float
    start: float
    few: float
    many: float


def measured(folder: Path, options: argparse.Namespace) -> dict[str, Costs]:
    """Run all ways in turn, with few and with many images."""
    one = ("--model", "model.onnx")
    ray = (*one, "--engine", "ray", "--images-per-shard", "64")
    ways: dict[str, Callable[[str, str], Cost]] = {
        "one process, one core": lambda images, out: run(folder, "localize", images, *one, "--output", out),
        "two shards, two cores": lambda images, out: run_both(folder, images, out, one),
        "Ray, 1 actor": lambda images, out: run(folder, "localize", images, *ray, "--num-actors", "1", "--output", out),
        "Ray, 2 actors": lambda images, out: run(
            folder, "localize", images, *ray, "--num-actors", "2", "--output", out
        ),
    }
    found: dict[str, list[Costs]] = {name: [] for name in ways}
    more = options.images - options.few
    for number in range(options.rounds):
        for name, way in ways.items():
            few = way("few.txt", f"few-{name}-{number}")
            many = way("many.txt", f"many-{name}-{number}")
            an_image = (many.wall - few.wall) / more
            start = few.wall - options.few * an_image
            print(name, few, many, file=sys.stderr, flush=True)
            found[name].append(Costs(an_image, (many.cpu - few.cpu) / more, start, few.memory, many.memory))
    return {name: typical(rounds) for name, rounds in found.items()}


def typical(rounds: list[Costs]) -> Costs:
    return Costs(*(median(getattr(one, field.name) for one in rounds) for field in fields(Costs)))


def run_both(folder: Path, images: str, output: str, words: tuple[str, ...]) -> Cost:
    """Both shards of two, at once."""
    shards = [Started(folder, "localize", images, *words, "--shard", f"{i}/2", "--output", output) for i in (1, 2)]
    return ended(shards)


def run(folder: Path, *words: str) -> Cost:
    return ended([Started(folder, *words)])


class Started:
    """A command line that runs, on one core for each process that computes."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.mark = uuid4().hex.encode()
        told = {MARK: self.mark.decode(), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, "-m", "weakspot", *words]
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **told}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.ticks: dict[str, int] = {}
        self.pages = 0

    def look(self) -> None:
        """Note what all processes that it has started have computed so far, and hold."""
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if place.name not in self.ticks and self.mark not in (place / "environ").read_bytes():
                    continue
                numbers = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended, or is somebody else's
                continue
            self.ticks[place.name] = int(numbers[11]) + int(numbers[12])
            self.pages = max(self.pages, int(numbers[21]))

    @property
    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        return sum(self.ticks.values()) / os.sysconf("SC_CLK_TCK")


def ended(runs: list[Started]) -> Cost:
    """Wait for command lines, and give what they have taken together."""
    begun = time.perf_counter()
    while any(one.process.poll() is None for one in runs):
        for one in runs:
            one.look()
        time.sleep(0.1)
    wall = time.perf_counter() - begun
    for one in runs:
        _, told = one.process.communicate()
        if one.process.returncode:
            sys.exit(told.decode())
    megabytes = max(one.pages for one in runs) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Cost(wall, sum(one.cpu for one in runs), megabytes)


def print_measured(costs: dict[str, Costs]) -> None:
    base = costs["one process, one core"]
    print(
        "| way | images a second | over one process | CPU ms an image | over one process | start, s | MB, few, many |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, one in costs.items():
        print(
            f"| {name} | {1 / one.wall:.1f} | {base.wall / one.wall:.2f} | {1000 * one.cpu:.2f} | "
            f"{one.cpu / base.cpu:.2f} | {one.start:.1f} | {one.few:.0f}, {one.many:.0f} |"
        )


@dataclass(frozen=True)
class Sizes:
    """Bytes an image, and seconds a million images."""

    jsonl: float
    parquet: float
    heatmap: float
    mask: float
    plan_memory: float
    plan_seconds: float
    label_memory: float


def measured_sizes(folder: Path) -> Sizes:
    """What is written of an image, and what planning and labelling hold in memory of it."""
    pictures = ("--save-heatmaps", "--save-masks")
    run(folder, "localize", "few.txt", "--model", "model.onnx", *pictures, "--output", "pictures")
    rows = [row for _, row in read_rows(folder / "pictures/boxes.jsonl")]
    many = [unlike(rows[i % len(rows)], i) for i in range(8192)]
    for suffix in ("jsonl", "parquet"):
        write_rows(folder / f"rows/boxes-000000.{suffix}", many)
    jsonl, parquet = row_files(folder / "rows")
    begun = time.perf_counter()
    plan(folder / "plan", paths(), ShardPlan("jsonl", 16, 1000))
    seconds = time.perf_counter() - begun
    return Sizes(
        jsonl.stat().st_size / len(many),
        parquet.stat().st_size / len(many),
        total(folder / "pictures/heatmaps") / len(rows),
        total(folder / "pictures/masks") / len(rows),
        most_held(lambda: plan(folder / "again", paths(), ShardPlan("jsonl", 16, 1000))) / PLANNED,
        seconds * MILLION / PLANNED,
        most_held(lambda: list(read_localized_images(jsonl))) / len(many),
    )


def paths() -> Iterator[Path]:
    """Names of photos, each made when it is asked for."""
    return (Path(f"photos/{i // 1000:05}/{i:09}.jpg") for i in range(PLANNED))


def unlike(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A row of another photo, with numbers of its own: what is alike would be packed too well."""
    random = np.random.default_rng(number)
    box = (np.array(row["box"]) * random.uniform(0.5, 1, 4)).round(2).tolist()
    own = {"score": round(random.random(), 6), "box": box, "boxes": [box], "class_index": int(random.integers(1000))}
    return row | own | {"image": f"photos/{number // 1000:05}/{number:09}.jpg", "label": row["label"]}


def most_held(make: Callable[[], object]) -> int:
    """The most bytes of Python's memory that are held while something is made."""
    tracemalloc.start()
    made = make()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return most


def total(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.png"))


def print_on_paper(costs: Costs, sizes: Sizes, options: argparse.Namespace) -> None:
    """Multiply."""
    hours = costs.cpu * MILLION / 3600
    shards = -(-ALL // 1024)
    print(f"\nA million images: {hours:.1f} core hours, ${hours * options.core_hour:.2f}.")
    print(f"100 million images: {100 * hours:,.0f} core hours, {100 * hours / 1000:.1f} hours on 1000 cores.\n")
    print("| of 100 million images | bytes an image | in all | dollars a month |")
    print("|---|---|---|---|")
    kinds = {"boxes, JSON Lines": sizes.jsonl, "boxes, Parquet": sizes.parquet}
    kinds |= {"masks, PNG": sizes.mask, "heatmaps, PNG": sizes.heatmap}
    for name, size in kinds.items():
        terabytes = size * ALL / 1e12
        print(f"| {name} | {size:,.0f} | {terabytes:.3f} TB | {terabytes * options.terabyte_month:.2f} |")
    planned, labelled = sizes.plan_memory * ALL / 1e9, sizes.label_memory * MILLION / 1e9
    print(f"\nShards of 1024 images: {shards:,}.")
    print(f"Names in the driver: {sizes.plan_memory:.0f} bytes each, {planned:.0f} GB.")
    print(f"Planning: {sizes.plan_seconds:.1f} s a million names, {sizes.plan_seconds * 100 / 60:.0f} minutes.")
    print(f"weakspot label: {sizes.label_memory:,.0f} bytes an image, {labelled:.1f} GB for a million.")


if __name__ == "__main__":
    main()
