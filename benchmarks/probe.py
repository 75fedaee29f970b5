"""From 300 photos with labels to 300 boxes, on two cores: weakspot train, then weakspot localize, as a user runs them.

    python benchmarks/probe.py [--photos 300]

The photos are synthetic scenes of 224 px, written as JPEG files. Times hold starting Python and loading torch, twice.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory

from weakspot.data.synthetic import write_scenes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=300)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        data, run = write_scenes(Path(folder, "scenes"), {"train": options.photos}), Path(folder, "run")
        steps = {
            "train": ["train", str(data / "images"), "--output", str(run)],
            "localize": ["localize", str(data / "images"), "--model", str(run), "--output", str(Path(folder, "found"))],
        }
        taken = {name: seconds(arguments) for name, arguments in steps.items()}
    print("| step | seconds | CPU seconds |\n|---|---|---|")
    for name, (wall, cpu) in taken.items():
        print(f"| {name} {options.photos} photos | {wall:.1f} | {cpu:.1f} |")
    print(f"| both | {sum(wall for wall, _ in taken.values()):.1f} | {sum(cpu for _, cpu in taken.values()):.1f} |")


def seconds(arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    wall, cpu = time.monotonic(), _cpu()
    subprocess.run([sys.executable, "-m", "weakspot", *arguments], check=True, capture_output=True)
    return time.monotonic() - wall, _cpu() - cpu


def _cpu() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
