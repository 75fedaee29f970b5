import json
from dataclasses import asdict, replace

import pytest
from refusals import refused

from weakspot.data import Preprocessing
from weakspot.errors import ModelError
from weakspot.inference.backends.onnx_metadata import KEY, OnnxMetadata, from_metadata, is_graph
from weakspot.models import ModelInfo
from weakspot.ops.uncertainty import TypicalArea

INFO = ModelInfo(
    class_names=("Möwe", "<owl>"),
    preprocessing=Preprocessing(64, 96, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
    method="cam",
    quality="fast",
    threshold=0.4,
    background_index=1,
)
METADATA = OnnxMetadata(
    INFO,
    version="0.1.0",
    source="birds",
    reference_method="layercam",
    default_threshold=0.5,
    layers=("bn2",),
    has_foreground_head=False,
)
# The same in a file of version 0.1.0.
OLD_FIELDS = {
    "version": "0.1.0",
    "source": "birds",
    "method": "cam",
    "witness": "layercam",
    "quality": "fast",
    "views": True,
    "threshold": 0.4,
    "view_threshold": 0.5,
    "class_names": ["Möwe", "<owl>"],
    "preprocessing": asdict(INFO.preprocessing),
    "multi_label": False,
    "background": 1,
    "layers": ["bn2"],
    "foreground": False,
    "drawn": False,
    "int8": False,
}


@pytest.mark.parametrize("areas", [(), (TypicalArea(-1.5, 0.5), TypicalArea(-4.0, 1.0))])
def test_metadata_make_a_round_trip(areas):
    metadata = replace(METADATA, info=replace(INFO, typical_areas=areas))
    assert from_metadata(metadata.to_metadata()) == metadata


def test_metadata_of_version_0_1_are_read():
    assert from_metadata({KEY: json.dumps(OLD_FIELDS)}) == METADATA


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"threshold": 0.0}, id="a threshold of zero"),
        pytest.param({"view_threshold": 1.5}, id="a threshold above the peak"),
        pytest.param({"background": 2}, id="a background index out of range"),
        pytest.param({"class_names": []}, id="no class"),
        pytest.param({"drawn": "yes"}, id="a string instead of a truth value"),
        pytest.param({"unknown": 1}, id="an unknown field"),
        pytest.param({"preprocessing": {"height": 0, "width": 0}}, id="an input size of zero"),
        pytest.param({"quality": "superb"}, id="an unknown quality"),
    ],
)
def test_invalid_metadata_are_refused(changes):
    with refused("metadata-invalid", kind=ModelError):
        from_metadata({KEY: json.dumps(OLD_FIELDS | changes)})


@pytest.mark.parametrize("metadata", [{"author": "someone"}, {KEY: "not JSON"}, {KEY: "[]"}])
def test_metadata_of_other_tools_are_refused(metadata):
    with refused("metadata-invalid", kind=ModelError):
        from_metadata(metadata)


def test_an_invalid_value_is_refused_after_a_round_trip_too():
    with refused("metadata-invalid", kind=ModelError):
        from_metadata(replace(METADATA, default_threshold=1.5).to_metadata())


@pytest.mark.parametrize(("name", "expected"), [("a.onnx", True), ("runs/birds", False), ("a.onnx.txt", False)])
def test_is_graph_checks_the_suffix(name, expected):
    assert is_graph(name) is expected
