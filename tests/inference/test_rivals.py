"""Evidence of a class does not count where another class, about as probable, has more."""

from dataclasses import replace

import numpy as np
import pytest
import skimage.data

from weakspot.cams import METHODS
from weakspot.data import Preprocessing
from weakspot.inference.backends import ClassifierOutput, ClassSelection
from weakspot.inference.rivals import COMPARABLE, run_with_rivals
from weakspot.models import ModelInfo
from weakspot.serving.web.image_state import at_threshold, share_image

# Four positions: the first two show class 0, the last two class 1; class 2 is in none of them.
EVIDENCE = np.array([[[5.0, 4.0, 3.0, 3.0]], [[0.0, 0.0, 6.0, 6.0]], [[9.0, 0.0, 0.0, 0.0]]])


class Classifier:
    """A classifier whose maps are :data:`EVIDENCE`, and which ranks its classes by the given logits."""

    def __init__(self, logits, *, has_evidence=True):
        self.logits, self.has_evidence = np.array(logits), has_evidence

    def run(self, images, methods, selection):
        rows, ranked = selection.rows(len(images)), (-self.logits).argsort(kind="stable")
        positive = int((self.logits > 0).sum()) if selection.include_positive else 0
        count = selection.rivals if rows is not None else max(selection.top_k, positive)
        probable = np.tile(ranked[:count], (len(images), 1))
        classes = probable if rows is None else np.concatenate([rows, probable], axis=1)
        maps = EVIDENCE[classes]
        logits = np.tile(self.logits, (len(images), 1))
        return [ClassifierOutput(logits, classes, maps, maps, np.zeros(len(images), bool)) for _ in methods]


def run(logits, selection, methods=("cam",), *, has_evidence=True, **options):
    """The class indices, and the evidence that no rival contests, of each method for one image."""
    classifier, pixels = Classifier(logits, has_evidence=has_evidence), [np.zeros((4, 4, 3), np.uint8)]
    info = ModelInfo(("cat", "dog", "nothing"), Preprocessing(), **options)
    outputs = run_with_rivals(classifier, pixels, methods, selection, info)
    for output in outputs:
        assert output.evidence.tolist() == output.maps.tolist() == EVIDENCE[output.classes].tolist()
    classes = outputs[0].classes[0].tolist()
    return classes, [None if one.uncontested is None else one.uncontested[0, :, 0].tolist() for one in outputs]


LIKE, MORE, LESS = (
    [0.5, 0.49, 0.01],
    [0.1, 0.89, 0.01],
    [0.8, 0.19, 0.01],
)  # the second class, compared with the first


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        pytest.param(LIKE, [5, 4, 0, 0], id="the other class is as probable"),
        pytest.param(MORE, [5, 4, 0, 0], id="it is more probable"),
        pytest.param(LESS, [5, 4, 3, 3], id="it is less than a third as probable"),
        pytest.param([0.2, 0.2, 0.6], [0, 4, 0, 0], id="both others are"),
    ],
)
def test_evidence_counts_where_no_rival_has_more(probabilities, expected):
    assert run(np.log(probabilities), ClassSelection(np.array([0]))) == ([0], [[expected]])


@pytest.mark.parametrize("probabilities", [LIKE, LESS])
def test_a_class_has_the_same_evidence_if_it_is_asked_for_and_if_it_is_the_most_probable(probabilities):
    asked = run(np.log(probabilities), ClassSelection(np.array([0])))
    assert run(np.log(probabilities), ClassSelection(top_k=1)) == asked


def test_further_probable_classes_have_rivals_as_well():
    classes, evidence = run(np.log([0.5, 0.3, 0.2]), ClassSelection(top_k=3))
    assert (classes, evidence) == ([0, 1, 2], [[[0, 4, 0, 0], [0, 0, 6, 6], [9, 0, 0, 0]]])


@pytest.mark.parametrize("logits", [[2.0, 1.0, 0.5], [0.1, -1.0, -2.0]])
def test_classes_that_a_multi_label_model_finds_are_all_kept(logits):
    selection = ClassSelection(top_k=1, include_positive=True)
    assert run(logits, selection, multi_label=True)[0] == list(range(max(1, sum(np.array(logits) > 0))))


def test_classes_that_a_multi_label_model_finds_are_rivals():
    """0.99 and 0.95: as a softmax, the second would be a fifth as probable. The third is not in the image."""
    selection = ClassSelection(np.array([0]))
    assert run([4.6, 2.94, -0.1], selection, multi_label=True) == ([0], [[[5, 4, 0, 0]]])
    assert run([4.6, 2.94, -0.1], selection) == ([0], [[[5, 4, 3, 3]]])
    assert run([-9.0, -0.1, -0.1], selection, multi_label=True) == ([0], [[[5, 4, 3, 3]]])


def test_the_background_class_is_not_a_rival():
    selection, probabilities = ClassSelection(np.array([0])), np.log([0.2, 0.2, 0.6])
    assert run(probabilities, selection, background_index=2) == ([0], [[[5, 4, 0, 0]]])


@pytest.mark.parametrize("selection", [ClassSelection(np.array([0])), ClassSelection(top_k=1)])
def test_the_evidence_of_a_method_does_not_depend_on_the_others(selection):
    assert run(np.log(LIKE), selection, ["cam", "eigencam"]) == ([0], [[[5, 4, 0, 0]], None])
    assert run(np.log(LIKE), selection, ["eigencam", "cam"]) == ([0], [None, [[5, 4, 0, 0]]])
    assert run(np.log(LIKE), selection, ["eigencam"]) == ([0], [None])


def test_propagated_maps_of_an_old_file_are_not_compared():
    assert run(np.log(LIKE), ClassSelection(np.array([0])), has_evidence=False) == ([0], [None])


def test_the_box_of_a_class_is_the_same_however_it_is_asked_for_and_the_page_shares_images_as_a_localizer_does(lite0):
    cat = skimage.data.chelsea()
    for found in lite0(cat, top_k=3):
        asked = lite0(cat, classes=[found.label])
        assert found.box.tolist() == asked.box.tolist()
        assert found.box_evidence.tolist() == asked.box_evidence.tolist()
    names = ["tiger cat", "tabby"]
    alone = [replace(lite0(cat, classes=[name]), others=()) for name in names]
    for shared, together in zip(share_image(alone), lite0(cat, classes=names), strict=True):
        assert shared.heatmap.tolist() == together.heatmap.tolist()
        assert at_threshold(shared, shared.threshold).box.tolist() == together.box.tolist()


def test_methods_of_weights_and_gradients_are_comparable():
    """All but the counterfactual one, whose maps are evidence against a class."""
    linear = {name for name, method in METHODS.items() if method.inputs in ("weights", "gradients")}
    assert linear - {"counterfactual"} == COMPARABLE
