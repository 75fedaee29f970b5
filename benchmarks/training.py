"""Train on a data set's labels, fix the threshold on its validation split, and print a row of figures on test.

    python benchmarks/training.py DATA --method acol --freeze none [--epochs 10] [--output runs/acol]

DATA is a folder in any layout that weakspot reads, with splits train, val and test. The time is this process's CPU time
for training, threshold and all, divided by 60. With --baselines two more rows say what needs no model.
"""

import argparse
import time
from pathlib import Path

import weakspot as ws
from weakspot.evaluation import Evaluation
from weakspot.evaluation.metric_collection import MetricValue

COLUMNS = ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc")
HEADER = (
    "| method | backbone | "
    + " | ".join(f"{name}, fixed (oracle)" for name in COLUMNS)
    + " | Top-1 accuracy | CPU minutes |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", default="cam")
    parser.add_argument("--freeze", default="backbone", choices=["backbone", "none"])
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--quality", default="plain")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--baselines", action="store_true")
    options = parser.parse_args()
    begun = time.process_time()
    run = ws.train(
        options.data,
        method=options.method,
        freeze=options.freeze,
        backbone=options.backbone,
        epochs=options.epochs,
        quality=options.quality,
        output=options.output,
    )
    minutes = (time.process_time() - begun) / 60
    found = ws.evaluate(run, options.data, samples=0)
    how = "frozen" if options.freeze == "backbone" else "fine-tuned"
    print(HEADER)
    print("|---" * (HEADER.count("|") - 1) + "|")
    print(
        row(
            f"{options.method} | {how}",
            found,
            next(iter(found.rows)),
            f"{top_1(run, options.data):.1f} | {minutes:.1f}",
        )
    )
    for name in list(found.rows)[1:] if options.baselines else ():
        print(row(f"{name} | none", found, name, " | "))


def row(name: str, found: Evaluation, of: str, end: str) -> str:
    figures = [cell(found.rows[of].metrics[column]) for column in COLUMNS]
    return f"| {name} | {' | '.join(figures)} | {end} |"


def cell(figure: MetricValue) -> str:
    return f"{figure.fixed:.1f} ({figure.oracle:.1f})"


def top_1(run: Path, data: Path) -> float:
    """Percent of test images whose most probable class is theirs."""
    examples = [example for example in ws.data.read_dataset(data).of_split("test") if example.annotations]
    found = ws.Localizer(run).stream([example.path for example in examples])
    return (
        100
        * sum(one.label == example.annotations[0].label for one, example in zip(found, examples, strict=True))
        / len(examples)
    )


if __name__ == "__main__":
    main()
