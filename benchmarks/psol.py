"""Does a box regressor trained on the pseudo boxes of a run localize better than the run? Teacher and student compared.

    python benchmarks/psol.py TEACHER DATA [--split test] [--epochs 20] [--width 64] [--lr 2e-4] [--output runs/psol]

TEACHER is a run folder. The student is trained on the training split alone; the thresholds of both are selected on val.
Choose options with --split val, and report test. Seconds are wall time of training: pseudo boxes, features, epochs and
threshold.
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
    start = time.monotonic()
    student = ws.train(
        options.data,
        method="psol",
        teacher=options.teacher,
        epochs=options.epochs,
        width=options.width,
        learn_from="labels",
        lr=options.lr,
        output=options.output,
    )
    seconds = time.monotonic() - start
    header = ("set, quality of the teacher", "run", *(f"{name}, fixed (oracle)" for name in METRICS), "seconds")
    print(f"| {' | '.join(header)} |", flush=True)
    print("|---" * len(header) + "|")
    title = f"{options.data.name}, {ws.Localizer(options.teacher).quality}"
    for name, run, training_time in (("teacher", options.teacher, ""), ("psol", student, f"{seconds:.0f}")):
        metrics = ws.evaluate(run, options.data, test_split=options.split, samples=0).first.metrics
        cells = (f"{metrics[metric].fixed:.1f} ({metrics[metric].oracle:.1f})" for metric in METRICS)
        print(f"| {title} | {name} | {' | '.join(cells)} | {training_time} |", flush=True)


if __name__ == "__main__":
    main()
