"""From 300 labeled images to 300 boxes on two cores: weakspot train, then weakspot localize, on the command line.

    python benchmarks/probe.py [--images 300]

The images are synthetic scenes of 224 px, written as JPEG files. Times include starting Python and loading torch twice.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import measure_python

from weakspot.data.synthetic import write_scenes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300, help="number of images")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        data, run = write_scenes(Path(folder, "scenes"), {"train": options.images}), Path(folder, "run")
        commands = {
            "train": ["train", data / "images", "--output", run],
            "localize": ["localize", data / "images", "--model", run, "--output", Path(folder, "localized")],
        }
        times = {name: measure_python(["-m", "weakspot", *words]) for name, words in commands.items()}
    print("| step | seconds | CPU seconds |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} {options.images} images | {seconds.wall:.1f} | {seconds.cpu:.1f} |")
    wall, cpu = (sum(column) for column in zip(*times.values(), strict=True))
    print(f"| both | {wall:.1f} | {cpu:.1f} |")


if __name__ == "__main__":
    main()
