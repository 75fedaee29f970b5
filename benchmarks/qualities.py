"""What each quality is worth on a set with boxes: a row a quality, and the centred Gaussian below.

    python benchmarks/qualities.py MODEL DATA [--qualities plain fast]

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc on test at the threshold of val, with its
95 % interval (bootstrap over images), in brackets at the oracle's; then by size of the object, of which there are so
many. These are figures of ``weakspot compare MODEL DATA --quality all``, beside each other.
"""

import argparse
from math import isnan
from pathlib import Path

import weakspot as ws
from weakspot.evaluation import Evaluation
from weakspot.evaluation.targets import SIZES

LOC, GAUSSIAN = "GT-known Loc", "centred Gaussian"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--qualities", nargs="+", default=["plain", "fast", "balanced", "best"])
    options = parser.parse_args()
    found = ws.compare([options.model], options.data, qualities=options.qualities)
    counts = ", ".join(f"{count} {size}" for count, size in zip(found.group_counts[-3:], SIZES, strict=True))
    print("| set | quality | GT-known Loc, fixed (oracle) | MaxBoxAccV2, oracle | small, medium, large |")
    print("|---|---|---|---|---|")
    for quality in options.qualities:
        name = next(name for name in found.rows if name.split(", ")[-1] == quality or len(options.qualities) == 1)
        print(f"| {options.data.name} ({counts}) | {quality} | {row(found, name)} |", flush=True)
    print(f"| {options.data.name} ({counts}) | {GAUSSIAN} | {row(found, GAUSSIAN)} |")


def row(found: Evaluation, name: str) -> str:
    """The figures of a row, and those by size where they were measured."""
    measured = found.rows[name]
    known, strict = measured.metrics[LOC], measured.metrics["MaxBoxAccV2"]
    sizes = measured.groups[LOC][-3:].tolist() if LOC in measured.groups and name != GAUSSIAN else []
    by_size = ", ".join("-" if isnan(value) else f"{value:.1f}" for value in sizes)
    low, high = known.fixed_interval or (known.fixed, known.fixed)
    return f"{known.fixed:.1f} ±{(high - low) / 2:.1f} ({known.oracle:.1f}) | {strict.oracle:.1f} | {by_size}"


if __name__ == "__main__":
    main()
