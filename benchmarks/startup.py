"""Seconds that a newcomer waits for: help, the import, and one photo from a cold start, with PyTorch and without.

python benchmarks/startup.py
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from weakspot.cli.demo import sample_image

WAYS = {
    "weakspot --help": ["-m", "weakspot", "--help"],
    "import weakspot": ["-c", "import weakspot"],
    "weakspot localize chelsea.png": ["-m", "weakspot", "localize", str(sample_image("chelsea.png"))],
}
FILE = "weakspot localize chelsea.png --model lite0.onnx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| what | CPU seconds | seconds |\n|---|---|---|")
    with TemporaryDirectory() as folder:
        file = Path(folder, "lite0.onnx")
        subprocess.run([sys.executable, "-m", "weakspot", "export", "tf_efficientnet_lite0", "-o", file], check=True)
        ways = WAYS | {FILE: [*WAYS["weakspot localize chelsea.png"], "--model", str(file)]}
        for name, words in ways.items():
            spent = [seconds(words) for _ in range(rounds)]
            cpu, wall = (median(times) for times in zip(*spent, strict=True))
            print(f"| {name} | {cpu:.2f} | {wall:.2f} |", flush=True)


def seconds(words: list[str]) -> tuple[float, float]:
    """CPU time of a process of its own, in an empty folder, and time on the wall."""
    with TemporaryDirectory() as folder:
        before, began = os.times(), time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, cwd=Path(folder), stdout=subprocess.DEVNULL)
        after, ended = os.times(), time.perf_counter()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, ended - began


if __name__ == "__main__":
    main()
