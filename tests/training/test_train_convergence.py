"""Every method learns an easy task, and those with class maps find the object."""

import numpy as np
import pytest
from small_runs import LEARNING, disc, iou, rows, small

from weakspot import Localizer

# Options with which each method learns the discs in seconds.
METHODS = {
    "cam": {},
    "acol": {"width": 32, "backbone": "test_efficientnet", "output_stride": 8, "epochs": 2},
    "has": {},
    "cutmix": {},
    "adl": {"epochs": 8, "lr": 2e-3},
    "spg": {"width": 16, "lr": 3e-4},
    "ts_cam": {"backbone": "test_vit"},
}
# The losses of mixed labels and of SPG's masks stay far above 0.
MAX_LOSS_RATIO = {"cutmix": 0.95, "spg": 0.75}
# The maps of ACoL extend far beyond objects of this size.
THRESHOLDS = {"cam": None, "acol": 0.8}


# Methods that train the network of CAM.
_LIKE_CAM = ("has", "cutmix", "adl")


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.exhaustive] * (name in _LIKE_CAM)) for name in METHODS],
)
def run(request, discs, discs_run, tmp_path_factory):
    method = request.param
    if method == "cam":
        return method, discs_run
    options = {**LEARNING, **METHODS[method], "method": method}
    return method, small(discs, tmp_path_factory.mktemp("run") / method, **options)


def test_the_loss_decreases_and_the_classes_are_distinguished(run):
    method, folder = run
    history = rows(folder)
    assert history[-1]["train_loss"] < MAX_LOSS_RATIO.get(method, 0.6) * history[0]["train_loss"]
    assert max(row["val_accuracy"] for row in history) >= 0.9


@pytest.mark.parametrize("run", THRESHOLDS, indirect=True)
def test_the_box_covers_the_disc(run):
    method, folder = run
    localizer = Localizer(folder, threshold=THRESHOLDS[method])
    overlaps = []
    for seed in range(1000, 1012):
        image, box = disc("red", seed)
        overlaps.append(iou(localizer(image, classes=["red"]).box, box))
    assert np.mean(np.array(overlaps) > 0.3) > 0.7, overlaps
