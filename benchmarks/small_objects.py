"""Measure runs on a data set of small objects and images without any, such as defects.

    python benchmarks/small_objects.py DATA RUN [RUN ...] [--split test]

Thresholds are selected on val, scores are those of the split. Cells of masks are empty if there are boxes only.
"""

import argparse
from pathlib import Path
from typing import Any

import weakspot as ws

COLUMNS = (
    "run",
    "GT-known Loc (oracle)",
    "PxAP",
    "image pixel AP (small)",
    "pointing game (small)",
    "AUPRO",
    "image AUROC",
    "normal images with a false alarm",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    rows = [(run.name, ws.evaluate(run, options.data, test_split=options.split).to_dict()) for run in options.runs]
    found = next(iter(rows[0][1]["rows"].values()))  # the others are baselines
    print(
        f"**{options.data.name}**, {found['figures']['GT-known Loc']['images']} images of the split {options.split}:\n"
    )
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for name, metrics in rows:
        of_run = next(iter(metrics["rows"].values()))
        print(f"| {name} | {' | '.join(cells(of_run['figures'], of_run['detection']))} |", flush=True)


def cells(boxes: dict[str, Any], images: dict[str, Any]) -> list[str]:
    """Return the figures of a run."""
    known = boxes["GT-known Loc"]
    return [
        f"{known['fixed']:.1f} ({known['oracle']:.1f})",
        f"{boxes['PxAP']['fixed']:.1f}" if "PxAP" in boxes else "",
        *(with_small(images.get(name)) for name in ("image pixel AP", "pointing game")),
        *(value_of(images.get(name)) for name in ("AUPRO", "image AUROC", "images with a false alarm")),
    ]


def with_small(figure: dict[str, Any] | None) -> str:
    return f"{figure['value']:.1f} ({figure['sizes']['small']['value']:.1f})" if figure else ""


def value_of(figure: dict[str, Any] | None) -> str:
    return f"{figure['value']:.1f}" if figure else ""


if __name__ == "__main__":
    main()
