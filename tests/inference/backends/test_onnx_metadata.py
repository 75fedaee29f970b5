import json
from dataclasses import asdict, replace

import pytest

from weakspot.data import Preprocessing
from weakspot.errors import InputError
from weakspot.inference.backends.onnx_metadata import KEY, OnnxMetadata, from_metadata, is_graph

GRAPH = OnnxMetadata(
    version="0.1.0",
    source="birds",
    method="cam",
    witness="layercam",
    quality="fast",
    views=True,
    threshold=0.4,
    crop_threshold=0.5,
    class_names=("Möwe", "<owl>"),
    preprocessing=Preprocessing(64, 96, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
    multi_label=False,
    background=1,
    layers=("bn2",),
    foreground=False,
)


def test_what_a_graph_says_of_itself_comes_back():
    assert from_metadata(GRAPH.to_metadata()) == GRAPH


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"threshold": 0.0}, id="a threshold of nothing"),
        pytest.param({"view_threshold": 1.5}, id="a threshold above the peak"),
        pytest.param({"background": 2}, id="a background that is no class"),
        pytest.param({"class_names": ()}, id="no class"),
        pytest.param({"views": "yes"}, id="words for a truth value"),
    ],
)
def test_what_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match="OnnxMetadata"):
        from_metadata(replace(GRAPH, **changes).to_metadata())


def test_metadata_of_others_are_refused():
    with pytest.raises(KeyError):
        from_metadata({"author": "someone"})
    with pytest.raises(ValueError, match="Expecting"):
        from_metadata({KEY: "not JSON"})
    with pytest.raises(TypeError):
        from_metadata({KEY: json.dumps(asdict(GRAPH) | {"unheard": 1})})
    with pytest.raises(InputError, match="not positive"):
        from_metadata({KEY: json.dumps(asdict(GRAPH) | {"preprocessing": {"height": 0, "width": 0}})})
    with pytest.raises(InputError, match="no quality"):
        from_metadata({KEY: json.dumps(asdict(GRAPH) | {"quality": "superb"})})


@pytest.mark.parametrize(("name", "expected"), [("a.onnx", True), ("runs/birds", False), ("a.onnx.txt", False)])
def test_a_graph_is_known_by_its_suffix(name, expected):
    assert is_graph(name) is expected
