"""CPU seconds that a newcomer waits for: help, the import, and one photo from a cold start. Medians.

python benchmarks/startup.py
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from weakspot.commands.demo import photo_path

WAYS = {
    "weakspot --help": ["-m", "weakspot", "--help"],
    "import weakspot": ["-c", "import weakspot"],
    "weakspot localize chelsea.png": ["-m", "weakspot", "localize", str(photo_path("chelsea.png"))],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| what | CPU seconds |\n|---|---|")
    for name, words in WAYS.items():
        print(f"| {name} | {median(cpu_seconds(words) for _ in range(rounds)):.2f} |", flush=True)


def cpu_seconds(words: list[str]) -> float:
    """CPU time of a process of its own, in an empty folder."""
    with TemporaryDirectory() as folder:
        before = os.times()
        subprocess.run([sys.executable, *words], check=True, cwd=Path(folder), stdout=subprocess.DEVNULL)
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
