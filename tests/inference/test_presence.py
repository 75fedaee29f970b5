"""The peak of a map and the logits decide together whether an image holds an object."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.inference.backends import ClassifierOutput, ClassSelection
from weakspot.inference.presence import calibrate_logits, decided_logits, holds_object, run_with_presence
from weakspot.inference.probabilities import object_probability, probabilities
from weakspot.models import ModelInfo
from weakspot.ops.presence import Presence

NAMES = ("none", "cat", "dog", "owl", "fox")
PEAKS = np.array([50.0, 4.0, 2.0, 1.0, 30.0])  # of the map of each class
PRESENCE = Presence(0.5, 1.0, -3.0, 0.7)
INFO = ModelInfo(NAMES, method="cam", background_index=0, presence=PRESENCE)
BACKGROUND_FIRST = [3.0, 2.0, 1.0, 0.5, -5.0]
BACKGROUND_LAST = [-9.0, 2.0, 1.0, 0.5, -5.0]


class Classifier:
    """A classifier with the given logits whose maps have one position, with the values :data:`PEAKS`."""

    has_evidence = True

    def __init__(self, logits):
        self.logits = np.array(logits, np.float32)

    def run(self, images, methods, selection):
        rows, ranked = selection.rows(len(images)), (-self.logits).argsort(kind="stable")
        count = selection.top_k if rows is None else selection.rivals
        probable = np.tile(ranked[:count], (len(images), 1))
        classes = probable if rows is None else np.concatenate([rows, probable], axis=1)
        maps, logits = PEAKS[classes][..., None, None], np.tile(self.logits, (len(images), 1))
        return [ClassifierOutput(logits, classes, maps, maps, np.zeros(len(images), bool)) for _ in methods]


def run(logits, selection=None, info=INFO, methods=("cam",)):
    pixels = [np.zeros((4, 4, 3), np.uint8)] * 2
    return run_with_presence(Classifier(logits), pixels, methods, selection or ClassSelection(), info)


def classes_of(logits, top_k=1, **options):
    (output,) = run(logits, ClassSelection(None, top_k), **options)
    for i, classes in enumerate(output.classes):  # maps stay with their classes; that of the background is not used
        objects = classes != 0
        assert output.maps[i, objects, 0, 0].tolist() == PEAKS[classes[objects]].tolist()
        assert output.evidence[i, objects].tolist() == output.maps[i, objects].tolist()
        assert output.uncontested.shape == output.evidence.shape
    assert len({tuple(row) for row in output.classes.tolist()}) == 1
    return [NAMES[i] for i in output.classes[0]]


def with_threshold(threshold):
    return ModelInfo(NAMES, method="cam", background_index=0, presence=PRESENCE._replace(threshold=threshold))


def test_the_peak_is_that_of_the_two_most_probable_objects():
    """Neither the background's, which is 50, nor that of an improbable class, 30."""
    for logits in (BACKGROUND_FIRST, BACKGROUND_LAST):
        for selection in (
            ClassSelection(),
            ClassSelection(None, 3),
            ClassSelection(np.array([4])),
            ClassSelection(np.array([2, 1])),
        ):
            (output,) = run(logits, selection)
            assert output.peaks.tolist() == [4, 4]


def test_the_probability_of_an_object_is_the_calibrated_one():
    (output,) = run(BACKGROUND_FIRST)
    odds = np.log(np.exp(BACKGROUND_FIRST[1:]).sum()) - BACKGROUND_FIRST[0]
    expected = 1 / (1 + np.exp(-(0.5 * odds + 4 - 3)))
    assert object_probability(output.logits[0], INFO) == pytest.approx(expected)
    assert output.logits.dtype == np.float32
    before, after = (probabilities(np.array(one), multi_label=False) for one in (BACKGROUND_FIRST, output.logits[0]))
    np.testing.assert_allclose(after[1:] / after[1:].sum(), before[1:] / before[1:].sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("logits", "threshold", "expected"),
    [
        pytest.param(BACKGROUND_FIRST, 0.5, ["cat", "dog", "none", "owl", "fox"], id="the peak outweighs the logits"),
        pytest.param(BACKGROUND_FIRST, 0.9, ["none", "cat", "dog", "owl", "fox"], id="too improbable"),
        pytest.param(BACKGROUND_LAST, 0.9, ["cat", "dog", "owl", "none", "fox"], id="both say that there is one"),
        pytest.param(BACKGROUND_LAST, 1.0, ["none", "cat", "dog", "owl", "fox"], id="no image holds one"),
    ],
)
def test_the_first_classes_start_with_the_background_or_an_object(logits, threshold, expected):
    info = with_threshold(threshold)
    for top_k in (2, 5, 9):
        found = classes_of(logits, top_k, info=info)
        assert len(found) == min(top_k, 5)
        assert found[0] == expected[0]
        assert [name for name in found if name != "none"] == [name for name in expected if name != "none"][
            : len(found) - ("none" in found)
        ]
    assert classes_of(logits, 1, info=info) == expected[:1]


def test_classes_that_are_asked_for_keep_their_order():
    (output,) = run(BACKGROUND_LAST, ClassSelection(np.array([3, 0])), info=with_threshold(1.0))
    assert output.classes.tolist() == [[3, 0]] * 2
    assert object_probability(output.logits[0], INFO) == object_probability(run(BACKGROUND_LAST)[0].logits[0], INFO)


def test_every_method_has_the_decision_of_the_models_own():
    own, other = run(BACKGROUND_FIRST, methods=("cam", "eigencam"))
    assert own.logits.tolist() == other.logits.tolist()
    assert own.classes.tolist() == other.classes.tolist()
    assert other.uncontested is None


@pytest.mark.parametrize(
    ("info", "methods"),
    [
        (ModelInfo(NAMES, method="cam", background_index=0), ["cam"]),
        (INFO, ["gradcam"]),
        (ModelInfo(NAMES, method="eigencam", background_index=0, presence=PRESENCE), ["eigencam"]),
    ],
)
def test_without_the_means_to_decide_the_logits_stay(info, methods):
    for selection in (ClassSelection(None, 2), ClassSelection(np.array([2]))):
        (output,) = run(BACKGROUND_FIRST, selection, info=info, methods=methods)
        assert output.logits[0].tolist() == BACKGROUND_FIRST
        assert output.classes[0].tolist() == ([0, 1] if selection.indices is None else [2])
        assert output.maps.shape == (*output.classes.shape, 1, 1)


def test_logits_that_are_not_finite_stay_for_the_check_that_follows():
    logits = np.array([[np.nan, 1, 0, 0, 0], [np.inf, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32)
    found = calibrate_logits(logits, np.array([1.0, 1.0, np.nan]), INFO)
    np.testing.assert_array_equal(found, logits)
    (output,) = run([np.nan, 2.0, 1.0, 0.5, -5.0])
    assert np.isnan(output.logits).any()


@given(arrays(np.float32, 5, elements=st.floats(-20, 20, width=32)), st.floats(0, 1))
def test_the_largest_decided_logit_is_that_of_the_first_class(logits, threshold):
    info = with_threshold(threshold)
    (output,) = run(logits, info=info)
    decided = decided_logits(output.logits[0], info)
    assert (decided.argmax() == 0) == (output.classes[0, 0] == 0) == (not holds_object(output.logits[0], info))
    assert decided[1:].tolist() == logits[1:].tolist()
    assert decided[output.classes[0, 0]] == decided.max()


def test_without_presence_nothing_is_decided():
    logits = np.array(BACKGROUND_FIRST)
    assert decided_logits(logits, ModelInfo(NAMES, background_index=0)) is logits
    assert holds_object(logits, ModelInfo(NAMES, background_index=0)) is None
