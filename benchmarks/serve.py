"""Compare a service with the bare localizer: throughput, latency, memory over thousands of requests, and faults.

``weakspot serve`` runs in its own process with its default options, and so does the bare localizer:
``Localizer.stream`` in the same quality, with the same graph, on the same JPEGs of 500 x 375. They alternate. The
clients are threads of this process that send prepared bytes; they share the cores with the service. Results are
medians over the rounds.

    python benchmarks/serve.py [--only throughput memory faults]
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from sample_images import write_images
from serve_faults import print_faults
from service import Service, request, request_all, serving

CLIENTS = (1, 8, 32)
PARTS = ("throughput", "memory", "faults")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument(
        "--images", type=int, default=192, help="number of images; a quarter of them for a single client"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=5000, help="number of requests of the memory test")
    parser.add_argument("--hostile", type=int, default=500, help="number of corrupted images")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.model, sorted(Path(options.bare).glob("*.jpg")))
        return
    with TemporaryDirectory() as folder:
        os.environ["WEAKSPOT_CACHE"] = str(Path(folder, "cache"))
        run(options, Path(folder))


def run(options: argparse.Namespace, folder: Path) -> None:
    files = write_images(folder, options.images)
    cache = os.environ["WEAKSPOT_CACHE"]
    if "throughput" in options.only:
        with serving(options.model, cache) as service, bare_process(options.model, folder) as localizer_process:
            print_throughput(service, localizer_process, files, options.rounds)
    if "memory" in options.only:
        with serving(options.model, cache) as service:
            print_memory(service, options.requests)
    if "faults" in options.only:
        with serving(options.model, cache, "--timeout", "5") as service:
            print_faults(service, [file.read_bytes() for file in files[:12]], options.hostile)


def bare(model: str, files: list[Path]) -> None:
    """Localize all files for each line of stdin, and print seconds of wall time and CPU time."""
    import weakspot as ws

    localizer = ws.Localizer(model, backend="onnx")
    list(localizer.stream(files[:16]))
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for localization in localizer.stream(files):
            localization.to_json()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


@contextmanager
def bare_process(model: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--model", model, "--bare", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while process.stdout.readline() != "ready\n":
            pass
        yield process
        process.stdin.close()


def print_throughput(
    service: Service, localizer_process: subprocess.Popen[str], files: list[Path], rounds: int
) -> None:
    """Alternate the bare localizer and all numbers of clients, and print a row for each."""
    requests = [request(file.read_bytes()) for file in files]
    request_all(service.port, requests, 8)
    speeds: dict[int, list[float]] = {count: [] for count in (0, *CLIENTS)}
    costs: dict[int, list[float]] = {count: [] for count in (0, *CLIENTS)}
    waits: dict[int, list[tuple[float, float]]] = {count: [] for count in CLIENTS}
    for _ in range(rounds):
        print("go", file=localizer_process.stdin, flush=True)
        wall, cpu = map(float, localizer_process.stdout.readline().split())
        speeds[0].append(len(files) / wall)
        costs[0].append(cpu / len(files))
        for count in CLIENTS:
            few = requests[: len(requests) // 4] if count == 1 else requests
            start, cpu = time.perf_counter(), service.cpu
            seconds, _ = request_all(service.port, few, count)
            speeds[count].append(len(few) / (time.perf_counter() - start))
            costs[count].append((service.cpu - cpu) / len(few))
            waits[count].append(tuple(np.percentile(seconds, (50, 99))))
    print(f"\n{len(files)} images of 500 x 375, {rounds} rounds\n")
    print("| clients | images per second | relative to the bare localizer | p50, ms | p99, ms | CPU ms per image |")
    print("|---|---|---|---|---|---|")
    print(f"| bare localizer | {median(speeds[0]):.1f} | 1.00 | | | {1000 * median(costs[0]):.1f} |")
    for count in CLIENTS:
        over = median(one / other for one, other in zip(speeds[count], speeds[0], strict=True))
        p50, p99 = (1000 * median(wait[i] for wait in waits[count]) for i in (0, 1))
        cost = 1000 * median(costs[count])
        name = "1 client" if count == 1 else f"{count} clients"
        print(f"| {name} | {median(speeds[count]):.1f} | {over:.2f} | {p50:.0f} | {p99:.0f} | {cost:.1f} |", flush=True)


def print_memory(service: Service, count: int) -> None:
    """Send requests of small images with all options from eight clients, and print the memory after each thousand."""
    print("\n| requests | MB | open files |\n|---|---|---|")
    requests = small_requests()
    for done in range(0, count, 1000):
        request_all(service.port, [requests[i % len(requests)] for i in range(min(1000, count - done))], 8)
        print(f"| {min(done + 1000, count)} | {service.memory:.0f} | {service.open_files} |", flush=True)


def small_requests() -> list[bytes]:
    random, requests = np.random.default_rng(0), []
    options = ({}, {"top_k": 3}, {"heatmap": "true"}, {"boxes": "all"}, {"method": "layercam"}, {"classes": "tabby"})
    for i in range(60):
        file = BytesIO()
        Image.fromarray(random.integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(file, "JPEG")
        requests.append(request(file.getvalue(), **options[i % len(options)]))
    return requests


if __name__ == "__main__":
    main()
