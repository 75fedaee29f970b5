"""How much of an object do the maps cover whose small part tells its class best? CAM, and ACoL at several deltas.

    python benchmarks/coverage.py [--deltas 0.6 0.9]

Scenes as in weakspot demo: 240 to train on, 60 to validate, 60 that are measured. For each map the share of all
objects' pixels that it covers (recall) at that threshold at which half of what it covers is object (precision 0.5), and
the figures of its boxes.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import weakspot as ws
from weakspot.cli.demo import COUNTS, SCENES
from weakspot.cli.demo import TRAINED as METHODS
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
        show("CAM", ws.train(data, freeze="backbone", quality="plain", output=Path(folder, "cam")), ["cam"], data)
        for delta in options.deltas:
            changes = METHODS["ACoL"][1] | {"delta": delta, "method": "acol", "freeze": "backbone"}
            run = ws.train(data, quality="plain", output=Path(folder, "acol"), **changes)
            show(f"ACoL, delta {delta}", run, ["acol", "acol_a", "acol_b"], data)


def show(name: str, run: Path, methods: list[str], data: Path) -> None:
    for method in methods:
        found = ws.evaluate(ws.Localizer(run, method=method), data, samples=0).first
        cells = [f"{found.metrics[column].fixed:.1f} ({found.metrics[column].oracle:.1f})" for column in COLUMNS]
        branch = f", branch {method[-1].upper()} alone" if method[-2:] in ("_a", "_b") else ""
        print(f"| {name}{branch} | {recall_at_half(found):.2f} | {' | '.join(cells)} |", flush=True)


def recall_at_half(found: MethodResult) -> float:
    """The greatest share of the object's pixels that is covered where half of what is covered is object."""
    details = found.collection.metrics["PxAP"].details()
    return float(np.max(details["recall"][details["precision"] >= 0.5], initial=0.0))


if __name__ == "__main__":
    main()
