"""Every method learns what is easy to learn, and those that localize point there."""

import numpy as np
import pytest
from small_runs import disc, iou, rows, small

from weakspot import Localizer

# Setting of each method that learns the discs in seconds.
METHODS = {
    "cam": {},
    "acol": {"width": 32, "backbone": "test_efficientnet", "output_stride": 8, "epochs": 2},
    "has": {},
    "cutmix": {},
    "adl": {"epochs": 8, "lr": 2e-3},
    "spg": {"width": 16, "lr": 3e-4},
    "ts_cam": {"backbone": "test_vit"},
}
LEARNING = {"epochs": 5, "batch_size": 8, "lr": 1e-3, "backbone": "test_resnet", "val_fraction": 0.2}
# Mixed labels have a loss far above 0, and so have SPG's masks.
FALLS_TO = {"cutmix": 0.95, "spg": 0.75}
# Where to cut: the maps of ACoL reach far beyond so small an object.
THRESHOLDS = {"cam": None, "acol": 0.8}


@pytest.fixture(scope="module", params=METHODS)
def run(request, discs, tmp_path_factory):
    changes = {**LEARNING, **METHODS[request.param], "method": request.param}
    return request.param, small(discs, tmp_path_factory.mktemp("run") / request.param, **changes)


def test_the_loss_falls_and_the_classes_are_told_apart(run):
    method, folder = run
    found = rows(folder)
    assert found[-1]["train_loss"] < FALLS_TO.get(method, 0.6) * found[0]["train_loss"]
    assert max(row["val_accuracy"] for row in found) >= 0.9


@pytest.mark.parametrize("run", THRESHOLDS, indirect=True)
def test_the_box_is_where_the_disc_is(run):
    method, folder = run
    localizer = Localizer(folder, threshold=THRESHOLDS[method])
    overlaps = []
    for seed in range(1000, 1012):
        image, box = disc("red", seed)
        overlaps.append(iou(localizer(image, classes=["red"]).box, box))
    assert np.mean(np.array(overlaps) > 0.3) > 0.7, overlaps
