"""Evidence of a class does not count where another class, about as probable, has more."""

import numpy as np
import pytest

from weakspot.cams import METHODS
from weakspot.inference.backends import ClassifierOutput, ClassSelection
from weakspot.inference.rivals import COMPARABLE, run_with_rivals

# Four positions: the first two show class 0, the last two class 1; class 2 is in none of them.
EVIDENCE = np.array([[[5.0, 4.0, 3.0, 3.0]], [[0.0, 0.0, 6.0, 6.0]], [[9.0, 0.0, 0.0, 0.0]]])


class Classifier:
    """A classifier whose maps are :data:`EVIDENCE`, and which ranks its classes by the given probabilities."""

    def __init__(self, probabilities):
        self.logits = np.log(np.array(probabilities))

    def run(self, images, methods, selection):
        rows = selection.rows(len(images))
        most_probable = (-self.logits).argsort()[: selection.rivals]
        classes = np.concatenate([rows, np.tile(most_probable, (len(images), 1))], axis=1)
        maps = EVIDENCE[classes]
        no_negative = np.zeros(len(images), bool)
        logits = np.tile(self.logits, (len(images), 1))
        return [ClassifierOutput(logits, classes, maps, maps, no_negative) for _ in methods]


def evidence_of(classes, probabilities, method="cam"):
    selection = ClassSelection(None if classes is None else np.array(classes))
    (output,) = run_with_rivals(Classifier(probabilities), [np.zeros((4, 4, 3), np.uint8)], [method], selection)
    assert output.classes.tolist() == [classes]
    assert output.maps.tolist() == [EVIDENCE[classes].tolist()]
    return output.evidence[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        pytest.param([0.5, 0.49, 0.01], [5, 4, 0, 0], id="the other class is as probable"),
        pytest.param([0.1, 0.89, 0.01], [5, 4, 0, 0], id="it is more probable"),
        pytest.param([0.8, 0.19, 0.01], [5, 4, 3, 3], id="it is less than a third as probable"),
        pytest.param([0.2, 0.2, 0.6], [0, 4, 0, 0], id="both others are"),
    ],
)
def test_evidence_counts_where_no_rival_has_more(probabilities, expected):
    assert evidence_of([0], probabilities) == [expected]


def test_classes_that_are_asked_for_together_share_the_image_instead():
    assert evidence_of([0, 1], [0.3, 0.3, 0.4]) == [[5, 4, 3, 3], [0, 0, 6, 6]]


def test_maps_without_a_common_unit_are_not_compared():
    assert evidence_of([0], [0.3, 0.3, 0.4], "scorecam") == [[5, 4, 3, 3]]


def test_methods_of_weights_and_gradients_are_comparable():
    """All but the counterfactual one, whose maps are evidence against a class."""
    linear = {name for name, method in METHODS.items() if method.inputs in ("weights", "gradients")}
    assert linear - {"counterfactual"} == COMPARABLE
