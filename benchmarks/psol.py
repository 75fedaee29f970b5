"""Does a regressor that learns a run's boxes find better ones? Teacher and student side by side, and what it took.

    python benchmarks/psol.py TEACHER DATA [--split test] [--epochs 20] [--width 64] [--lr 2e-4] [--output runs/psol]

TEACHER is a run folder. The student learns on the training split alone; the thresholds of both are fixed on val. Choose
with --split val, and report test. Seconds are wall time of training: pseudo boxes, features, epochs and threshold.
"""

import argparse
import time
from pathlib import Path

import weakspot as ws

METRICS = ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--output", type=Path, default=Path("runs/psol"))
    options = parser.parse_args()
    begun = time.monotonic()
    student = ws.train(
        options.data,
        method="psol",
        teacher=options.teacher,
        epochs=options.epochs,
        width=options.width,
        lr=options.lr,
        output=options.output,
    )
    seconds = time.monotonic() - begun
    print(
        "| "
        + " | ".join(
            ("set, quality of the teacher", "run", *(f"{name}, fixed (oracle)" for name in METRICS), "seconds")
        )
        + " |",
        flush=True,
    )
    print("|---" * (len(METRICS) + 3) + "|")
    title = f"{options.data.name}, {ws.Localizer(options.teacher).quality}"
    for name, run, took in (("teacher", options.teacher, ""), ("psol", student, f"{seconds:.0f}")):
        figures = ws.evaluate(run, options.data, test_split=options.split, samples=0).first.metrics
        cells = (f"{figures[metric].fixed:.1f} ({figures[metric].oracle:.1f})" for metric in METRICS)
        print(f"| {title} | {name} | {' | '.join(cells)} | {took} |", flush=True)


if __name__ == "__main__":
    main()
