"""Localization accuracy of each quality preset on a data set with boxes, and of the centered Gaussian baseline.

    python benchmarks/qualities.py MODEL DATA [--qualities plain fast]

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc on test at the val-selected threshold,
with 95 % confidence interval (bootstrap over images), in parentheses at the oracle threshold; then by object size, with
the number of objects. These are the metrics of ``weakspot compare MODEL DATA --quality all``, in one table.
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
    parser.add_argument("--qualities", nargs="+", default=["plain", "fast", "balanced"])
    options = parser.parse_args()
    evaluation = ws.compare([options.model], options.data, qualities=options.qualities)
    counts = ", ".join(f"{count} {size}" for count, size in zip(evaluation.group_counts[-3:], SIZES, strict=True))
    title = f"{options.data.name} ({counts})"
    print("| set | quality | GT-known Loc, fixed (oracle) | MaxBoxAccV2, oracle | small, medium, large |")
    print("|---|---|---|---|---|")
    for quality in options.qualities:
        rows = (name for name in evaluation.rows if name.split(", ")[-1] == quality or len(options.qualities) == 1)
        print(f"| {title} | {quality} | {cells(evaluation, next(rows))} |", flush=True)
    print(f"| {title} | {GAUSSIAN} | {cells(evaluation, GAUSSIAN)} |")


def cells(evaluation: Evaluation, name: str) -> str:
    """Format the metrics of a row, and those by size if there are any."""
    result = evaluation.rows[name]
    loc, v2 = result.metrics[LOC], result.metrics["MaxBoxAccV2"]
    has_sizes = LOC in result.group_metrics and name != GAUSSIAN
    sizes = result.group_metrics[LOC][-3:].tolist() if has_sizes else []
    by_size = ", ".join("-" if isnan(value) else f"{value:.1f}" for value in sizes)
    low, high = loc.fixed_interval or (loc.fixed, loc.fixed)
    return f"{loc.fixed:.1f} ±{(high - low) / 2:.1f} ({loc.oracle:.1f}) | {v2.oracle:.1f} | {by_size}"


if __name__ == "__main__":
    main()
