"""How much of an object do maps cover whose class depends on a small part? CAM, and ACoL at several deltas.

    python benchmarks/coverage.py [--deltas 0.6 0.9]

Scenes as in weakspot demo: 240 for training, 60 for validation, 60 for testing. For each map, the recall of object
pixels at the threshold with a precision of 0.5, and the metrics of its boxes.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import weakspot as ws
from weakspot.cli.demo import COUNTS, SCENES, TRAINED
from weakspot.data.synthetic import write_scenes
from weakspot.evaluation.results import MethodResult

COLUMNS = ("GT-known Loc", "MaxBoxAccV2", "PxAP")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deltas", type=float, nargs="+", default=[0.6, 0.9])
    options = parser.parse_args()
    print("| map | recall at precision 0.5 | " + " | ".join(f"{name}, fixed (oracle)" for name in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    with TemporaryDirectory() as folder:
        data = write_scenes(Path(folder, "scenes"), COUNTS, SCENES)
        run = ws.train(data, freeze="backbone", quality="plain", output=Path(folder, "cam"))
        print_rows("CAM", run, ["cam"], data)
        for delta in options.deltas:
            changes = TRAINED["ACoL"][1] | {"delta": delta, "method": "acol", "freeze": "backbone"}
            run = ws.train(data, quality="plain", output=Path(folder, "acol"), **changes)
            print_rows(f"ACoL, delta {delta}", run, ["acol", "acol_a", "acol_b"], data)


def print_rows(name: str, run: Path, methods: list[str], data: Path) -> None:
    for method in methods:
        result = ws.evaluate(ws.Localizer(run, method=method), data, samples=0).first
        cells = [f"{result.metrics[column].fixed:.1f} ({result.metrics[column].oracle:.1f})" for column in COLUMNS]
        branch = f", branch {method[-1].upper()} alone" if method[-2:] in ("_a", "_b") else ""
        print(f"| {name}{branch} | {recall_at_half(result):.2f} | {' | '.join(cells)} |", flush=True)


def recall_at_half(result: MethodResult) -> float:
    """Return the maximum recall of object pixels at a precision of at least 0.5."""
    details = result.collection.metrics["PxAP"].details()
    return float(np.max(details["recall"][details["precision"] >= 0.5], initial=0.0))


if __name__ == "__main__":
    main()
