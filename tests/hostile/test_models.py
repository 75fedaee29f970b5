"""Hostile models: every reader raises an error of weakspot, within bounded memory, and every command two lines."""

import json
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import timm
import torch
from hostile_models import (
    METADATA,
    NAMES,
    ODD,
    changed,
    compressed,
    graph_file,
    limited_memory,
    safetensors_file,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from refusals import refused
from safetensors.torch import save
from small_graphs import run_folder

import weakspot as ws
from weakspot.cli.app import main
from weakspot.errors import InputError, ModelError, WeakspotError
from weakspot.inference.backends.onnx_metadata import from_metadata
from weakspot.models import load_classifier
from weakspot.models.checkpoint import load_run, read_metadata
from weakspot.models.run_files import MODEL_FILE, read_class_names
from weakspot.models.weights import read_weights
from weakspot.training.options import TrainOptions
from weakspot.training.run_config import resolve_request
from weakspot.training.run_folder import read_config


def fuzz(examples):
    """The same examples every time."""
    slow = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=slow)


NAME = "test_resnet"
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def state():
    return timm.create_model(NAME).state_dict()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def run_metadata(run):
    return read_metadata(run).to_dict()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    file = tmp_path_factory.mktemp("images") / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)).save(file)
    return file


def load(weights):
    """Load a weights file; only errors of weakspot may be raised, and no memory that it does not have is allocated."""
    with limited_memory(), suppress(WeakspotError):
        load_classifier(NAME, weights=weights)


# Names of models


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("resnet50.nonsense", "resnet50.a1_in1k"),
        ("resnet50.", "resnet50"),
        ("tf_efficientnet_lite0.in1", "tf_efficientnet_lite0.in1k"),
        ("resnet5O", "resnet50"),
        ("x" * 300, "timm"),
    ],
)
@pytest.mark.parametrize("weights", ["pretrained", None])
def test_a_name_that_does_not_exist(name, suggested, weights):
    with pytest.raises(ModelError) as caught:
        load_classifier(name, weights=weights)
    assert caught.value.code in ("unknown-model", "model-not-built")
    assert suggested in caught.value.hint


# Weights


@pytest.mark.parametrize(
    "shape", [[60_000_000, 0], [0, 60_000_000], [2**62, 0], [2**62, 4, 0], [0], [60_000_000, 2**40, 0]]
)
def test_a_header_that_declares_many_classes(tmp_path, shape):
    last = [*timm.create_model(NAME).state_dict()][-1]
    file = safetensors_file(tmp_path / "w.safetensors", {last: ("F32", shape, [0, 0])})
    assert file.stat().st_size < 200
    with limited_memory(), pytest.raises(ModelError) as caught:
        load_classifier(NAME, weights=file)
    assert caught.value.code in ("weights-mismatch", "damaged-file")


def test_a_bias_of_many_classes_without_their_weights(tmp_path, state):
    weights = {**state, [*state][-1]: torch.zeros(2_000_000)}
    torch.save(weights, tmp_path / "w.pth")
    with limited_memory(), refused("weights-mismatch", 1000, kind=ModelError):
        load_classifier(NAME, weights=tmp_path / "w.pth")


@pytest.mark.parametrize("shape", [(60_000_000, 2048), (60_000_000,)])
def test_a_tensor_that_repeats_one_number(tmp_path, state, shape):
    """A stride of 0 makes a tensor of any size of four bytes."""
    torch.save({**state, [*state][-1]: torch.zeros(1).expand(shape)}, tmp_path / "w.pth")
    with limited_memory(), refused("damaged-file", shape, kind=ModelError):
        load_classifier(NAME, weights=tmp_path / "w.pth")


def test_a_zip_bomb(tmp_path):
    file = compressed(tmp_path / "w.pth", {"fc.weight": torch.zeros(10_000_000)})
    assert file.stat().st_size < 300_000
    with limited_memory(30_000_000), refused("damaged-file", "40 MB", kind=ModelError):
        read_weights(file)


def test_many_entries_of_the_same_bytes(tmp_path):
    """A central directory may list the same data many times."""
    torch.save({"fc.weight": torch.zeros(100_000)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth", "a") as opened:
        largest = max(opened.infolist(), key=lambda entry: entry.file_size)
        opened.filelist.extend([largest] * 50)
        opened._didModify = True
    with refused("damaged-file", "MB", kind=ModelError):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(torch.zeros(3).to_sparse(), id="sparse"),
        pytest.param(torch.zeros(3, device="meta"), id="meta"),
        pytest.param(torch.zeros(3, dtype=torch.complex64), id="complex"),
    ],
)
def test_tensors_that_are_no_weights(tmp_path, tensor):
    torch.save({"weight": tensor}, tmp_path / "w.pth")
    with pytest.raises(ModelError) as caught:
        read_weights(tmp_path / "w.pth")
    assert caught.value.code in ("not-a-state-dict", "unsafe-pickle", "damaged-file")


def test_a_dictionary_in_itself(tmp_path):
    content = {"epoch": 1}
    content["state_dict"] = content
    torch.save(content, tmp_path / "w.pth")
    with refused("not-a-state-dict", kind=ModelError):
        read_weights(tmp_path / "w.pth")


HEADERS = st.dictionaries(
    st.sampled_from(["fc.weight", "fc.bias", "conv1.weight", "stem.conv1.weight", "", "\0", "model.fc.bias"]),
    st.tuples(
        st.sampled_from(["F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "C64", "X", "U64", "F4"]),
        st.one_of(st.lists(st.sampled_from([0, 1, 2, 2048, 60_000_000, 2**40, 2**63, -1]), max_size=5), ODD),
        st.sampled_from([[0, 0], [0, 4], [4, 0], [0, 2**63], [-1, 4], [0], None]),
    ),
    max_size=3,
)


@fuzz(60)
@given(HEADERS, st.one_of(st.none(), st.dictionaries(st.sampled_from(["weakspot", "a"]), ODD, max_size=2)))
def test_any_header_of_safetensors(tmp_path, header, metadata):
    file = safetensors_file(tmp_path / "w.safetensors", header, metadata, bytes(4))
    load(file)
    assert isinstance(read_class_names(str(file)), tuple)
    with limited_memory(), suppress(WeakspotError):
        load_run(file)


@fuzz(60)
@given(data=st.data(), suffix=st.sampled_from([".safetensors", ".pth", ".ckpt"]))
def test_files_with_other_bytes(tmp_path, data, suffix):
    content = {"fc.weight": torch.zeros(3, 2), "fc.bias": torch.zeros(3)}
    file = tmp_path / f"w{suffix}"
    file.write_bytes(save(content)) if suffix == ".safetensors" else torch.save(content, file)
    changed_bytes = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed_bytes) - 1))
        changed_bytes[at] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(changed_bytes[: data.draw(st.sampled_from([None, 0, 1, 8, 100, -1, -100]))]))
    with limited_memory(), suppress(WeakspotError):
        read_weights(file)


# Runs


def write_run(folder, weights, metadata):
    (folder / MODEL_FILE).write_bytes(save(weights, {"weakspot": metadata}))
    return folder


@fuzz(40)
@given(data=st.data())
def test_any_metadata_of_a_run(tmp_path, run, run_metadata, data):
    metadata = data.draw(changed(run_metadata))
    write_run(tmp_path, read_weights(run / MODEL_FILE), json.dumps(metadata))
    assert isinstance(read_class_names(str(tmp_path)), tuple)
    with limited_memory(), suppress(WeakspotError):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"width": 10**6}, "weights-mismatch", id="width"),
        pytest.param({"width": 2**62}, "weights-mismatch", id="width beyond all memory"),
        pytest.param({"width": True}, "metadata-invalid", id="a width of true"),
        pytest.param({"input_size": 10**6}, "out-of-range", id="input size"),
        pytest.param({"backbone": "vit_giant_patch14_224"}, "weights-mismatch", id="backbone"),
        pytest.param({"backbone": "resnet50.nonsense"}, "model-not-built", id="tag"),
        pytest.param({"classes": 10**9}, "metadata-invalid", id="classes"),
    ],
)
def test_a_run_that_declares_a_large_network(tmp_path, run, run_metadata, changes, code):
    metadata = {**run_metadata, "plan": {**run_metadata["plan"], **changes}}
    write_run(tmp_path, read_weights(run / MODEL_FILE), json.dumps(metadata))
    with limited_memory(), refused(code, kind=WeakspotError):
        load_run(tmp_path)


def test_a_run_of_many_classes(tmp_path, run, run_metadata):
    names = [str(i) for i in range(300_000)]
    metadata = {**run_metadata, "class_names": names, "plan": {**run_metadata["plan"], "classes": len(names)}}
    metadata |= {"class_thresholds": [], "typical_areas": []}
    write_run(tmp_path, {"a": torch.zeros(1)}, json.dumps(metadata))
    with limited_memory(), refused("weights-mismatch", len(names), kind=ModelError):
        load_run(tmp_path)


def test_a_foreground_head_of_any_size(tmp_path, run, run_metadata):
    weights = read_weights(run / MODEL_FILE) | {"foreground.layers.1.weight": torch.zeros(60_000_000, 0, 1, 1)}
    write_run(tmp_path, weights, json.dumps(run_metadata))
    with limited_memory(), refused("weights-mismatch", kind=ModelError):
        load_run(tmp_path)


@pytest.mark.parametrize("metadata", [DEEP, "[]", "null", "1e999", "{", "\ud800", '{"plan": ' + DEEP + "}"])
def test_metadata_that_are_no_object(tmp_path, metadata):
    write_run(tmp_path, {"a": torch.zeros(1)}, metadata.encode(errors="replace").decode())
    with refused("metadata-invalid", kind=ModelError):
        read_metadata(tmp_path)
    assert read_class_names(str(tmp_path)) == ()


OPTIONS = {name: getattr(TrainOptions(), name) for name in TrainOptions.__dataclass_fields__}


@fuzz(100)
@given(st.sampled_from([*OPTIONS, "data", "model", "weakspot"]), ODD)
def test_any_value_in_a_configuration(tmp_path, name, value):
    file = tmp_path / "config.toml"
    with suppress(TypeError, ValueError):  # what TOML cannot store
        import tomli_w

        file.write_text(tomli_w.dumps({"data": "images", name: value}), encoding="utf-8", errors="replace")
        with suppress(WeakspotError):
            resolve_request(None, TrainOptions(), config=file, resume=None)
        with suppress(WeakspotError):
            resolve_request(None, TrainOptions(), config=None, resume=tmp_path)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("input_size = 1000000", "out-of-range"),
        ("width = 100000000", "out-of-range"),
        ("workers = 1000000000", "out-of-range"),
        ("seed = 18446744073709551616", "out-of-range"),
        ("lr = inf", "out-of-range"),
        ("lr = nan", "out-of-range"),
        ("epochs = true", "config-invalid"),
        ("method = 3", "config-invalid"),
        ("logger = [1]", "config-invalid"),
        ("data = 3", "config-invalid"),
        ('teacher = "a\\u0000b"', "config-invalid"),
        ("[model]\nwidth = 3", "unknown-option"),
        (f"a = {DEEP}", "config-unreadable"),
        ("\0", "config-unreadable"),
    ],
)
def test_odd_configurations(tmp_path, text, code):
    (tmp_path / "config.toml").write_text(text if text.startswith("data") else f'data = "images"\n{text}')
    with refused(code):
        resolve_request(None, TrainOptions(), config=tmp_path / "config.toml", resume=None)
    with refused(code):
        resolve_request(None, TrainOptions(), config=None, resume=tmp_path)
    if code != "out-of-range":
        with refused(code):
            read_config(tmp_path / "config.toml")


# ONNX files


def localize(file):
    localizer = ws.Localizer(file)
    return localizer(Image.new("RGB", (20, 20), "red"))


def test_the_graph_itself_can_be_used(tmp_path):
    assert localize(graph_file(tmp_path / "m.onnx")).label in NAMES


@fuzz(100)
@given(changed(METADATA))
def test_any_metadata_of_a_graph(tmp_path, metadata):
    with suppress(WeakspotError):
        from_metadata({"weakspot": json.dumps(metadata)})
    with limited_memory(), suppress(WeakspotError):
        localize(graph_file(tmp_path / "m.onnx", metadata))


def with_preprocessing(**values):
    return {**METADATA, "preprocessing": {**METADATA["preprocessing"], **values}}


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({**METADATA, "class_names": NAMES[:2]}, id="fewer names"),
        pytest.param({**METADATA, "class_names": [*NAMES, "elk"]}, id="more names"),
        pytest.param({**METADATA, "class_names": "cat"}, id="names in a word"),
        pytest.param({**METADATA, "class_names": [["cat"], None, {}]}, id="names that are no text"),
        pytest.param({**METADATA, "threshold": True}, id="a threshold of true"),
        pytest.param({**METADATA, "threshold": "0.5"}, id="a threshold in words"),
        pytest.param({**METADATA, "default_threshold": True}, id="a default threshold of true"),
        pytest.param({**METADATA, "default_threshold": float("nan")}, id="NaN"),
        pytest.param({**METADATA, "background_index": True}, id="an index of true"),
        pytest.param({**METADATA, "background_index": 1.0}, id="an index with a point"),
        pytest.param({**METADATA, "reference_method": "layercam"}, id="maps that are not there"),
        pytest.param({**METADATA, "has_foreground_head": True}, id="a foreground that is not there"),
        pytest.param({**METADATA, "calibration": [10**400, 0]}, id="a number beyond floats"),
        pytest.param(with_preprocessing(height=10**9, width=10**9), id="huge size"),
        pytest.param(with_preprocessing(height=9), id="another size"),
        pytest.param(with_preprocessing(height=True, width=True), id="a size of true"),
        pytest.param(with_preprocessing(height="8"), id="a size in words"),
        pytest.param(with_preprocessing(std=[float("nan")] * 3), id="a deviation of NaN"),
        pytest.param(with_preprocessing(mean=[0.5], std=[0.5]), id="other channels"),
        pytest.param([], id="a list"),
        pytest.param(DEEP, id="deep"),
        pytest.param("{", id="no JSON"),
    ],
)
def test_metadata_that_do_not_fit_the_graph(tmp_path, metadata):
    with limited_memory(), refused("metadata-invalid", kind=ModelError):
        localize(graph_file(tmp_path / "m.onnx", metadata))


def test_a_node_that_fails(tmp_path):
    with refused("graph-failed", "m.onnx", kind=ModelError):
        localize(graph_file(tmp_path / "m.onnx", failing=True))


def test_maps_without_positions(tmp_path):
    with refused("graph-failed", "maps", kind=ModelError):
        localize(graph_file(tmp_path / "m.onnx", maps=(0, 4)))


@pytest.mark.parametrize("length", [0, 1, 10, 100, 500, -1, -50])
def test_a_truncated_graph(tmp_path, length):
    file = graph_file(tmp_path / "m.onnx")
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ModelError) as caught:
        localize(file)
    assert caught.value.code in ("damaged-file", "metadata-invalid")


@pytest.mark.parametrize("location", ["../secret.bin", "{folder}/secret.bin", "link.bin", "missing.bin", "/dev/zero"])
def test_data_outside_of_the_folder_of_a_graph_are_not_read(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(4))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    file = graph_file(folder / "m.onnx", external=location.format(folder=tmp_path))
    with refused("damaged-file", "m.onnx", kind=ModelError):
        localize(file)


# Commands


@pytest.fixture(scope="module")
def hostile_files(tmp_path_factory, run, run_metadata):
    folder = tmp_path_factory.mktemp("files")
    for name in ("wide", "deep"):
        (folder / name).mkdir()
    wide = {**run_metadata, "plan": {**run_metadata["plan"], "width": 10**8}}
    write_run(folder / "wide", read_weights(run / MODEL_FILE), json.dumps(wide))
    write_run(folder / "deep", {"a": torch.zeros(1)}, DEEP)
    last = [*timm.create_model(NAME).state_dict()][-1]
    safetensors_file(folder / "w.safetensors", {last: ("F32", [60_000_000, 0], [0, 0])})
    graph_file(folder / "names.onnx", {**METADATA, "class_names": ["cat"]})
    graph_file(folder / "failing.onnx", failing=True)
    return folder


COMMANDS = [
    *(
        f"{command} --model {{files}}/{model}"
        for model in ("wide", "deep", "names.onnx", "failing.onnx")
        for command in ("localize {image} --output {out}",)
    ),
    "localize {image} --output {out} --model resnet50.nonsense",
    "localize {image} --output {out} --model " + NAME + " --weights {files}/w.safetensors",
    "localize {image} --output " + "x" * 300,
    "localize {image} --output {out} --model " + "x" * 300 + ".onnx",
    "export {files}/wide {out}.onnx --images {image}",
    "export resnet50.nonsense {out}.onnx --images {image}",
    "serve {files}/wide",
    "serve {files}/names.onnx",
    "train --resume " + "x" * 300,
    "label " + "x" * 300,
    "report " + "x" * 300,
    "download cub --folder " + "x" * 300,
    "check " + "x" * 300,
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:60])
def test_commands_explain_it_in_two_lines(command, tmp_path, image, hostile_files, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = command.format(files=hostile_files, image=image, out=tmp_path / "out").split()
    with limited_memory():
        code = main(words)
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert 1 <= len(lines) <= 2


def test_a_state_that_cannot_be_restored(tmp_path):
    """A run is resumed from a state of another program."""
    from small_runs import SMALL

    from weakspot.training import train

    data = tmp_path / "data"
    for label in ("red", "blue"):
        (data / label).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (32, 32), label).save(data / label / f"{i}.png")
    (tmp_path / "run").mkdir()
    lines = [f'data = "{data}"', *(f"{name} = {json.dumps(value)}" for name, value in SMALL.items())]
    (tmp_path / "run" / "config.toml").write_text("\n".join(lines))
    torch.save({"state_dict": {}, "rows": 3}, tmp_path / "run" / "state.ckpt")
    with refused("damaged-file", "state.ckpt", kind=InputError):
        train(resume=tmp_path / "run")
