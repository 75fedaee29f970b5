"""Localize sample images with three methods, then train CAM and ACoL on image-level labels of synthetic scenes."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from weakspot.cli.localize import box_text
from weakspot.data import Sample, read_dataset, read_image
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.io.atomic import atomic_write, save_image
from weakspot.io.folder_lock import folder_lock
from weakspot.terminal import echo, printable
from weakspot.visualization import contact_sheet, draw_boxes

if TYPE_CHECKING:
    from weakspot.evaluation import Evaluation
    from weakspot.inference.localization import Localization
    from weakspot.inference.localizer import Localizer

# File in scikit-image -> class to localize; None for the most probable. The rocket looks like a drilling platform.
IMAGES: dict[str, str | None] = {
    "chelsea.png": None,
    "coffee.png": None,
    "motorcycle_left.png": None,
    "rocket.jpg": "missile",
}
METHODS = {"cam": "CAM", "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}

# A small part of each object is the best evidence for its class: the case that ACoL was designed for.
SCENES = SceneSettings(discriminative_part=True)
COUNTS = {"train": 160, "val": 40, "test": 40}
# Small images, few epochs and narrow branches, so that two cores need about a minute. Objects are small compared with
# the receptive field: at the threshold of the ACoL paper (0.6) they would be erased completely.
TRAINED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "CAM": ("cam", {"epochs": 20, "input_size": 224}),
    "ACoL": ("acol", {"epochs": 8, "input_size": 224, "width": 128, "delta": 0.9}),
}
METRICS = ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc", "mask IoU", "PxAP")
_SHOWN = 6


@dataclass(frozen=True)
class DemoOutcome:
    """The contact sheet, the file of boxes, and the localizations of each sample image, one per method."""

    sheet: Path
    rows: Path
    localizations: "dict[str, list[Localization]]"


@dataclass(frozen=True)
class TrainingOutcome:
    """Scenes next to the predictions of each method, the run folders, and metrics of both and of the baselines."""

    sheet: Path
    runs: dict[str, Path]
    evaluation: "Evaluation"


def demo(output: Path) -> DemoOutcome:
    """Localize the sample images, and write a contact sheet and the boxes, replacing those of an earlier demo."""
    from weakspot.inference.localizer import Localizer

    localizers = [Localizer(method=method) for method in METHODS]
    localizations = {
        name: [localizer(sample_image(name), classes=[label] if label else None) for localizer in localizers]
        for name, label in IMAGES.items()
    }
    sheet, rows = output / "contact-sheet.png", output / "boxes.jsonl"
    save_image(_sheet(localizations.values()), sheet)
    with atomic_write(rows) as file:
        file.writelines(f"{item.to_json()}\n".encode() for items in localizations.values() for item in items)
    return DemoOutcome(sheet, rows, localizations)


def sample_image(name: str) -> Path:
    """Return the path of an image that scikit-image installs."""
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data" / name


def _sheet(rows: "Iterable[list[Localization]]") -> Image.Image:
    """Draw each image next to the localization of each method."""
    cells = [[read_image(row[0].image), *(localization.plot() for localization in row)] for row in rows]
    return contact_sheet(cells, ["image", *METHODS.values()])


def demo_training(output: Path) -> TrainingOutcome:
    """Generate scenes, train both methods on their image-level labels, evaluate them on test scenes, and draw some."""
    from weakspot.evaluation import compare
    from weakspot.inference.localizer import Localizer

    for name in ("scenes", "runs"):
        rmtree(output / name, ignore_errors=True)
    data = write_scenes(output / "scenes", COUNTS, SCENES)
    runs = {
        name: _train(name, data, method=method, output=output / "runs" / method, **options)
        for name, (method, options) in TRAINED.items()
    }
    echo(f"Evaluating both on {COUNTS['test']} other scenes ...", flush=True)
    localizers = {name: Localizer(run) for name, run in runs.items()}
    evaluations = [compare([item], data, methods=[item.method], samples=0) for item in localizers.values()]
    sheet = output / "trained.png"
    samples = read_dataset(data).of_split("test")[:_SHOWN]
    save_image(contact_sheet(_scene_rows(samples, localizers), ["true box", *TRAINED], width=224), sheet)
    return TrainingOutcome(sheet, runs, _merged(evaluations))


def _train(name: str, data: Path, **options: Any) -> Path:
    """Train one method without the progress of each epoch, which is in the log of the run."""
    from weakspot.training import train

    echo(f"Training {name} ...", flush=True)
    with redirect_stderr(StringIO()):
        return train(data, freeze="backbone", learn_from="labels", **options)


def _merged(evaluations: "Sequence[Evaluation]") -> "Evaluation":
    """Combine the first row of each evaluation with the baselines."""
    rows = {name: row for evaluation in evaluations for name, row in list(evaluation.rows.items())[:1]}
    return replace(evaluations[0], rows={**rows, **evaluations[0].rows})


def _scene_rows(samples: Sequence[Sample], localizers: "Mapping[str, Localizer]") -> list[list[Image.Image]]:
    """Draw a row for each scene: the true box, and the predictions for the true class."""
    return [
        [
            draw_boxes(read_image(sample.path), np.asarray(sample.annotations[0].boxes), sample.annotations[0].label),
            *(item(sample.path, classes=[sample.annotations[0].label]).plot() for item in localizers.values()),
        ]
        for sample in samples
    ]


def run_demo(output: Path) -> None:
    """Run both parts, and print what each does and its results."""
    with folder_lock(output):
        _run_both(output)


def _run_both(output: Path) -> None:
    echo(
        f"Part 1: a pretrained classifier localizes {len(IMAGES)} images with {', '.join(METHODS.values())}.",
        flush=True,
    )
    print_demo(demo(output))
    echo(
        "",
        f"Part 2: two classifiers are trained on {COUNTS['train']} synthetic scenes of {', '.join(SCENES.names)}.",
        "They learn from image-level labels only; no box is used for training. This takes about a minute.",
        flush=True,
    )
    print_demo_training(demo_training(output))


def print_demo(outcome: DemoOutcome) -> None:
    """Print a table of the localizations, and the paths of the files."""
    from rich.console import Console
    from rich.table import Table

    table = Table("image", "class", "score", "method", "box (x1 y1 x2 y2)")
    for name, items in outcome.localizations.items():
        for item in items:
            table.add_row(name, printable(item.label), f"{item.score:.2f}", item.method, box_text(item.box))
    Console().print(table)
    echo(f"Heatmaps and boxes: {outcome.sheet}", f"Boxes as JSON: {outcome.rows}")


def print_demo_training(outcome: TrainingOutcome) -> None:
    """Print the metrics of the trained runs, and the paths of the files."""
    from rich.console import Console
    from rich.table import Table

    table = Table(f"{COUNTS['test']} test scenes", *METRICS)
    for name, row in outcome.evaluation.rows.items():
        table.add_row(name, *(f"{row.metrics[metric].fixed:.1f}" for metric in METRICS))
    Console().print(table)
    echo("All metrics in percent; thresholds were selected on the validation scenes.")
    echo(f"Heatmaps and boxes: {outcome.sheet}")
    echo(f"Trained runs, which localize and evaluate accept as a model: {', '.join(map(str, outcome.runs.values()))}")
