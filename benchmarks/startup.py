"""Startup time: help, the import, and one image from a cold start, with PyTorch and without.

python benchmarks/startup.py
"""

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from timing import Seconds, measure_python

from weakspot.cli.demo import sample_image

LOCALIZE = ["-m", "weakspot", "localize", sample_image("chelsea.png")]
COMMANDS = {
    "weakspot --help": ["-m", "weakspot", "--help"],
    "import weakspot": ["-c", "import weakspot"],
    "weakspot localize chelsea.png": LOCALIZE,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| what | CPU seconds | seconds |\n|---|---|---|")
    with TemporaryDirectory() as folder:
        file = Path(folder, "lite0.onnx")
        measure_python(["-m", "weakspot", "export", "tf_efficientnet_lite0", "-o", file])
        exported = {"weakspot localize chelsea.png --model lite0.onnx": [*LOCALIZE, "--model", file]}
        for name, words in (COMMANDS | exported).items():
            times = [in_empty_folder(words) for _ in range(rounds)]
            wall, cpu = (median(column) for column in zip(*times, strict=True))
            print(f"| {name} | {cpu:.2f} | {wall:.2f} |", flush=True)


def in_empty_folder(words: list[str | Path]) -> Seconds:
    with TemporaryDirectory() as folder:
        return measure_python(words, Path(folder))


if __name__ == "__main__":
    main()
