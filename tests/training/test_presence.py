"""What decides whether an image holds an object is fitted to validation images, if there are enough of both kinds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from weakspot.data import ObjectAnnotation, Sample
from weakspot.inference.backends import ClassifierOutput
from weakspot.models.model_info import ModelInfo
from weakspot.ops.presence import fit_presence, object_log_odds
from weakspot.training import presence as module
from weakspot.training.labels import Labels
from weakspot.training.presence import MIN_IMAGES, fit_run_presence

NAMES = ("none", "cat", "dog")
INFO = ModelInfo(NAMES, method="cam", background_index=0)
LABELS = Labels(NAMES, False, 0, "none")


def samples(*, objects, normals):
    labels = ["cat"] * objects + ["none"] * normals
    return [Sample(str(i), Path(f"{i}.png"), objects=(ObjectAnnotation(label),)) for i, label in enumerate(labels)]


def outputs_of(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 3)), generator.uniform(0, 9, count)


@pytest.fixture
def classifier(monkeypatch):
    """Each image has the logits and the peak of :func:`outputs_of`, in order."""
    logits, peaks = outputs_of(500)
    seen: list[int] = []

    def run(_backend, images, methods, _selection, _info):
        rows = np.arange(len(seen), len(seen) + len(images))
        seen.extend(rows.tolist())
        empty = np.zeros((len(rows), 1, 2, 2))
        of_images = peaks[rows] if methods == ["cam"] else None
        classes = np.zeros((len(rows), 1), int)
        return [ClassifierOutput(logits[rows], classes, empty, empty, np.zeros(len(rows), bool), peaks=of_images)]

    monkeypatch.setattr(module, "run_with_rivals", run)
    monkeypatch.setattr(module, "read_pixels", lambda *_: torch.zeros(3, 4, 4, dtype=torch.uint8))
    return seen


def test_it_is_fitted_to_the_validation_images(classifier, caplog):
    caplog.set_level("INFO")
    images = samples(objects=25, normals=30)
    found = fit_run_presence(None, INFO, images, LABELS)
    logits, peaks = outputs_of(500)
    odds, has_object = object_log_odds(logits[:55], 0), np.arange(55) < 25
    assert found == fit_presence(odds, peaks[:55], has_object)
    assert classifier == list(range(55))
    holds = found.holds(odds, peaks[:55])
    assert f"{holds[:25].sum()} of 25" in caplog.text
    assert f"{holds[25:].sum()} of 30" in caplog.text


@pytest.mark.parametrize(("objects", "normals"), [(0, 0), (100, MIN_IMAGES - 1), (MIN_IMAGES - 1, 100)])
def test_too_few_images_of_a_kind_decide_nothing(classifier, objects, normals):
    assert fit_run_presence(None, INFO, samples(objects=objects, normals=normals), LABELS) is None
    assert not classifier


@pytest.mark.parametrize(
    "info",
    [
        ModelInfo(NAMES, method="cam"),
        ModelInfo(NAMES, method="cam", background_index=0, multi_label=True),
        ModelInfo(NAMES, method="eigencam", background_index=0),  # its maps have no unit in common
    ],
)
def test_without_a_background_class_or_comparable_maps_nothing_is_decided(classifier, info):
    assert fit_run_presence(None, info, samples(objects=30, normals=30), LABELS) is None
