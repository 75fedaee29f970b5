"""A backend on the outputs of a graph, without ONNX Runtime."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from weakspot.data import Preprocessing
from weakspot.inference.backends import ClassSelection
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.backends.onnx_metadata import OnnxMetadata
from weakspot.models import ModelInfo

INFO = ModelInfo(("cat", "dog"), Preprocessing(8, 8), method="cam", quality="fast", threshold=0.4)
METADATA = OnnxMetadata(INFO, "0.2.0", "pets", "layercam", 0.5, ("bn2",), has_foreground_head=False)
MAPS, OWN_MAPS, REFERENCE = (np.full((1, 2, 4, 4), value, np.float32) for value in (1, 2, 3))
CURRENT_NAMES = {"has_negative_activations": np.array([True]), "reference_maps": REFERENCE, "evidence": OWN_MAPS}
OLD_NAMES = {"signed": np.array([True]), "witness": REFERENCE}


@dataclass
class Graph:
    """A session with fixed outputs."""

    outputs: dict[str, Any]

    def run(self, _inputs):
        return {"logits": np.array([[3.0, 1.0]]), "chosen": np.array([[0, 1]]), "maps": MAPS, **self.outputs}


@pytest.mark.parametrize(
    ("names", "evidence"),
    [pytest.param(CURRENT_NAMES, OWN_MAPS, id="current"), pytest.param(OLD_NAMES, MAPS, id="version 0.1")],
)
def test_evidence_is_the_methods_own_map_or_in_an_old_file_the_propagated_one(names, evidence):
    backend = OnnxBackend(Graph(names), METADATA)
    own, reference = backend.run([np.zeros((8, 8, 3), np.uint8)], ["cam", "layercam"], ClassSelection(top_k=2))
    assert np.array_equal(own.maps, MAPS)
    assert np.array_equal(own.evidence, evidence)
    assert own.has_negative_activations.tolist() == [True]
    assert np.array_equal(reference.maps, REFERENCE)
    assert np.array_equal(reference.evidence, REFERENCE)


def test_further_classes_of_a_multi_label_model_are_cut_from_the_evidence_as_well():
    backend = OnnxBackend(Graph(CURRENT_NAMES), METADATA)
    (output,) = backend.run([np.zeros((8, 8, 3), np.uint8)], ["cam"], ClassSelection(top_k=1))
    assert output.classes.shape == (1, 1)
    assert output.maps.shape == output.evidence.shape == (1, 1, 4, 4)


@dataclass
class Recorder:
    """A session that records the classes that it is asked for."""

    outputs: dict[str, Any]
    num_classes: int
    classes: Any = None

    def run(self, inputs):
        self.classes = inputs["classes"].tolist()
        maps = np.zeros((1, inputs["classes"].shape[1], 4, 4), np.float32)
        own = {name: maps for name in self.outputs if name in ("evidence", "reference_maps", "witness")}
        logits = np.zeros((1, self.num_classes), np.float32)
        return self.outputs | {"logits": logits, "chosen": np.maximum(inputs["classes"], 0), "maps": maps} | own


@pytest.mark.parametrize(
    ("classes", "asked", "expected"),
    [
        pytest.param("abcde", [2], [[2, -1, -2, -3]], id="five classes"),
        pytest.param("ab", [1], [[1, -1, -2]], id="two classes"),
        pytest.param("abc", [2, 0], [[2, 0, -1, -2, -3]], id="three, of which two are asked for"),
    ],
)
def test_the_most_probable_classes_follow_as_rivals(classes, asked, expected):
    graph = Recorder(CURRENT_NAMES, len(classes))
    backend = OnnxBackend(graph, replace(METADATA, info=replace(INFO, class_names=tuple(classes))))
    backend.run([np.zeros((8, 8, 3), np.uint8)], ["cam"], ClassSelection(np.array(asked), rivals=3))
    assert graph.classes == expected


@pytest.mark.parametrize(
    ("names", "quality", "version", "has_evidence"),
    [
        pytest.param(CURRENT_NAMES, "fast", "0.2.0", True, id="current"),
        pytest.param(OLD_NAMES, "fast", "0.1.0", False, id="propagated maps of version 0.1"),
        pytest.param(OLD_NAMES, "plain", "0.2.0", True, id="maps are not propagated"),
        pytest.param(OLD_NAMES, "plain", "0.1.0", False, id="version 0.1 ranks only some classes"),
    ],
)
def test_evidence_is_there_unless_maps_are_propagated_or_the_file_is_old(names, quality, version, has_evidence):
    metadata = replace(METADATA, info=replace(INFO, quality=quality), version=version)
    assert OnnxBackend(Graph(names), metadata).has_evidence is has_evidence
