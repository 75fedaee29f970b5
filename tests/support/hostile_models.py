"""Hostile models: weights files, run metadata and ONNX files that no one would write by accident."""

import json
import resource
import struct
import zipfile
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import onnx
import torch
from hypothesis import strategies as st
from onnx import TensorProto, helper

NAMES = ["cat", "dog", "owl"]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 10**6, 2**31, 2**63, 10**30, 10**400, -(10**400)]),
    st.sampled_from([float("nan"), float("inf"), -0.5, 0.5, 1e-320, 1e308]),
    st.sampled_from(["", "cat", "0.5", "\0", "\x1b[2J", "x" * 300, "../..", "hf-hub:a/b", "vit_giant_patch14_224"]),
    st.sampled_from([[], {}, [[]], ["cat"], ["cat", "cat", "cat"], [1, 2], {"a": 1}, [None], [float("nan")] * 3]),
)


@contextmanager
def limited_memory(more=2_000_000_000):
    """Let this process allocate that many bytes more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@st.composite
def changed(draw, valid):
    """A dictionary of which one value, at any depth, is another, missing, or under another name."""
    result = json.loads(json.dumps(valid))
    place = result
    key = draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict) and place[key] and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(sorted(place)))
    action = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    if action == "replace":
        place[key] = draw(ODD)
    elif action == "remove":
        del place[key]
    else:
        place[draw(st.sampled_from(["extra", "", "info", "views"]))] = draw(ODD)
    return result


def safetensors_file(path, tensors, metadata=None, data=b""):
    """Write a header of names, types, shapes and offsets, and the data."""
    header = {name: {"dtype": kind, "shape": shape, "data_offsets": at} for name, (kind, shape, at) in tensors.items()}
    text = json.dumps(header | ({} if metadata is None else {"__metadata__": metadata})).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def compressed(path, state):
    """Write a PyTorch file whose entries are compressed."""
    written = BytesIO()
    torch.save(state, written)
    with zipfile.ZipFile(written) as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    return path


METADATA = {
    "class_names": NAMES,
    "preprocessing": {"height": 8, "width": 8, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    "method": "cam",
    "quality": "fast",
    "threshold": 0.4,
    "class_thresholds": [],
    "multi_label": False,
    "background_index": None,
    "calibration": [],
    "typical_areas": [],
    "version": "0.2.0",
    "source": "birds",
    "reference_method": "",
    "default_threshold": 0.2,
    "layers": ["features"],
    "has_foreground_head": False,
    "is_box_regressor": False,
    "int8": False,
}


def graph_file(path, metadata=METADATA, *, classes=3, failing=False, external="", maps=(4, 4)):
    """Write a graph of a classifier: its logits are the mean of each channel, its maps are constant."""
    value = helper.make_tensor_value_info
    inputs = [
        value("images", TensorProto.UINT8, ["batch", 8, 8, 3]),
        value("classes", TensorProto.INT64, ["batch", "selected"]),
    ]
    outputs = [
        value("logits", TensorProto.FLOAT, ["batch", classes]),
        value("chosen", TensorProto.INT64, ["batch", "selected"]),
        value("maps", TensorProto.FLOAT, ["batch", "selected", *maps]),
        value("has_negative_activations", TensorProto.BOOL, ["batch"]),
    ]
    initializers = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("last", TensorProto.INT64, [2], [2, 3]),
        helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
        helper.make_tensor("grid", TensorProto.INT64, [4], [1, 1, *maps]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("pick", TensorProto.INT64, [classes], [7 if failing else i % 3 for i in range(classes)]),
    ]
    if external:
        bias = TensorProto(name="zero", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        for key, text in (("location", external), ("offset", "0"), ("length", "4")):
            bias.external_data.add(key=key, value=text)
        initializers[4] = bias
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Gather", ["means", "pick"], ["logits"], axis=1),
        helper.make_node("Abs", ["classes"], ["absolute"]),
        helper.make_node("Identity", ["absolute"], ["chosen"]),
        helper.make_node("Cast", ["absolute"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "last"], ["points"]),
        helper.make_node("Expand", ["points", "grid"], ["maps"]),
        helper.make_node("ReduceMax", ["means", "channel"], ["largest"], keepdims=0),
        helper.make_node("Less", ["largest", "zero"], ["has_negative_activations"]),
    ]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    model.metadata_props.add(key="weakspot", value=metadata if isinstance(metadata, str) else json.dumps(metadata))
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(model) if not external else None
    return path
