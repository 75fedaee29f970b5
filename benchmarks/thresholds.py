"""How good is a threshold that was selected without boxes? GT-known Loc on test at four thresholds, for CAM and ACoL.

    python benchmarks/thresholds.py DATA [DATA ...] [--methods cam acol] [--scenes]

--scenes adds two sets of 400 synthetic scenes, without and with a badge as the only discriminative part. A head is
trained on the labels of each data set. The boxes of its test split are cut at CAM's 20 %, at Otsu's threshold of the
validation heatmaps (the default of weakspot train without boxes), at the best threshold for the validation boxes, and
at the best one for the test boxes themselves.
"""

import argparse
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import weakspot as ws
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.training.thresholds import iter_heatmaps, otsu_threshold

COUNTS = {"train": 200, "val": 100, "test": 100}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--methods", nargs="+", default=["cam"])
    options = parser.parse_args()
    print("| data | method | 0.2 | Otsu | validation boxes | oracle |\n|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        datasets = [*(scenes(Path(folder)) if options.scenes else []), *options.data]
        for data, method in product(datasets, options.methods):
            print(row(data, method, Path(folder, f"run-{data.name}-{method}")), flush=True)


def scenes(folder: Path) -> list[Path]:
    """Write both sets of scenes."""
    settings = {"scenes": SceneSettings(), "scenes with a badge": SceneSettings(discriminative_part=True)}
    return [write_scenes(folder / name, COUNTS, config) for name, config in settings.items()]


def row(data: Path, method: str, output: Path) -> str:
    """Train a head, and return its row of the table."""
    epochs = 8 if method == "acol" else None
    run = ws.train(data, method=method, freeze="backbone", epochs=epochs, quality="plain", output=output)
    localizer = ws.Localizer(run)
    otsu = otsu_threshold(iter_heatmaps(localizer, ws.data.read_dataset(data).of_split("val")))
    values = [
        ws.evaluate(localizer, data, threshold=threshold, samples=0).first.metrics["GT-known Loc"]
        for threshold in (0.2, otsu, localizer.threshold)
    ]
    cells = [f"{value.fixed:.1f} (at {value.fixed_thresholds[0]:.2f})" for value in values]
    oracle = f"{values[0].oracle:.1f} (at {values[0].oracle_thresholds[0]:.2f})"
    return f"| {data.name} | {method} | {' | '.join(cells)} | {oracle} |"


if __name__ == "__main__":
    main()
