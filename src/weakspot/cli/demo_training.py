"""Train CAM and ACoL on synthetic scenes with labels only, and show them beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from weakspot.data import Sample, read_dataset, read_image
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.io.atomic import save_image
from weakspot.visualization import contact_sheet, draw_boxes

if TYPE_CHECKING:
    from weakspot.evaluation import Evaluation
    from weakspot.inference.localizer import Localizer

# A small part of each object tells its class best: the case that ACoL was made for.
SCENES = SceneSettings(discriminative_part=True)
COUNTS = {"train": 240, "val": 60, "test": 60}
# Few epochs, and narrow branches, so that two cores need a minute. Objects are small beside what a place of the feature
# map sees: at the 0.6 of ACoL's paper all of them would be erased.
METHODS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "CAM": ("cam", {}),
    "ACoL": ("acol", {"epochs": 6, "width": 128, "delta": 0.9}),
}
_SHOWN = 6


@dataclass(frozen=True)
class TrainingOutcome:
    """What was trained, found and written.

    Attributes:
        sheet: Scenes beside what each method found in them.
        runs: The run folder of each method.
        measured: Figures of both on the test scenes, and of the baselines.
    """

    sheet: Path
    runs: dict[str, Path]
    measured: "Evaluation"


def demo_training(output: Path) -> TrainingOutcome:
    """Write scenes, train both methods on the labels alone, measure them on other scenes, and draw what they find.

    Args:
        output: Folder to write to; what an earlier demo wrote there is replaced.
    """
    from weakspot.evaluation import compare
    from weakspot.inference.localizer import Localizer
    from weakspot.training import train

    for name in ("scenes", "runs"):
        rmtree(output / name, ignore_errors=True)
    data = write_scenes(output / "scenes", COUNTS, SCENES)
    runs = {
        name: train(data, method=method, freeze="backbone", output=output / "runs" / method, **options)
        for name, (method, options) in METHODS.items()
    }
    localizers = {name: Localizer(run) for name, run in runs.items()}
    found = [compare([one], data, methods=[one.method], samples=200) for one in localizers.values()]
    sheet = output / "trained.png"
    shown = read_dataset(data).of_split("test")[:_SHOWN]
    save_image(contact_sheet(_pictures(shown, localizers), ["scene and true box", *METHODS], width=224), sheet)
    return TrainingOutcome(sheet, runs, _together(found))


def _together(found: "Sequence[Evaluation]") -> "Evaluation":
    """The rows of all methods, and the baselines behind them."""
    rows = {name: row for one in found for name, row in list(one.rows.items())[:1]}
    return replace(found[0], rows={**rows, **found[0].rows})


def _pictures(examples: Sequence[Sample], localizers: "Mapping[str, Localizer]") -> list[list[Image.Image]]:
    """A row of pictures for each scene; the class is given, the place is not."""
    return [
        [
            draw_boxes(
                read_image(example.path), np.asarray(example.annotations[0].boxes), example.annotations[0].label
            ),
            *(one(example.path, classes=[example.annotations[0].label]).plot() for one in localizers.values()),
        ]
        for example in examples
    ]
