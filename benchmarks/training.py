"""Train on the labels of a data set, select the threshold on its validation split, and print metrics on test.

    python benchmarks/training.py DATA --method acol --freeze none [--epochs 10] [--output runs/acol]

DATA is a folder in any layout that weakspot reads, with splits train, val and test. The time is the CPU time of this
process for training and threshold selection, in minutes. --baselines adds the two baselines that need no model.
"""

import argparse
import time
from pathlib import Path

import weakspot as ws
from weakspot.evaluation import MethodResult

COLUMNS = ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc")


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
    start = time.process_time()
    run = ws.train(
        options.data,
        method=options.method,
        freeze=options.freeze,
        backbone=options.backbone,
        epochs=options.epochs,
        quality=options.quality,
        learn_from="labels",
        output=options.output,
    )
    minutes = (time.process_time() - start) / 60
    evaluation = ws.evaluate(run, options.data, samples=0)
    columns = " | ".join(f"{name}, fixed (oracle)" for name in COLUMNS)
    print(f"| method | backbone | {columns} | Top-1 accuracy | CPU minutes |")
    print("|---" * (len(COLUMNS) + 4) + "|")
    backbone = "frozen" if options.freeze == "backbone" else "fine-tuned"
    end = f"{top_1_accuracy(run, options.data):.1f} | {minutes:.1f}"
    print(f"| {options.method} | {backbone} | {cells(evaluation.first)} | {end} |")
    for name in list(evaluation.rows)[1:] if options.baselines else ():
        print(f"| {name} | none | {cells(evaluation.rows[name])} |  |  |")


def cells(result: MethodResult) -> str:
    values = [result.metrics[column] for column in COLUMNS]
    return " | ".join(f"{value.fixed:.1f} ({value.oracle:.1f})" for value in values)


def top_1_accuracy(run: Path, data: Path) -> float:
    """Return the percentage of test images whose most probable class is the annotated one."""
    samples = [sample for sample in ws.data.read_dataset(data).of_split("test") if sample.annotations]
    localizations = ws.Localizer(run).stream([sample.path for sample in samples])
    pairs = zip(localizations, samples, strict=True)
    return 100 * sum(one.label == sample.annotations[0].label for one, sample in pairs) / len(samples)


if __name__ == "__main__":
    main()
