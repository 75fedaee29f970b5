import json
import pickle
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from safetensors.torch import load_file, save_file
from small_networks import built, metadata_of, random_images

from weakspot.errors import InputError, ModelError, WeakspotError
from weakspot.models.checkpoint import (
    CheckpointMetadata,
    load_run,
    read_metadata,
    resolve_model,
    write_checkpoint,
)
from weakspot.models.model_info import ModelInfo
from weakspot.models.networks import NetworkConfig
from weakspot.models.run_files import MODEL_FILE, is_run

NAMES = ("cat", "собака", "owl, snowy", "none")
PREPROCESSING = built("cam").preprocessing


def metadata(network, **info):
    return metadata_of(network, NAMES, **{"background_index": 3, **info})


def write_run(folder, method="cam", *, info=None, **options):
    network = built(method, width=8, **options)
    write_checkpoint(folder / MODEL_FILE, network.network.state_dict(), metadata(network, **(info or {})))
    return network


@pytest.mark.parametrize("method", ["cam", "acol", "spg", "ts_cam", "has"])
def test_loaded_network_returns_identical_logits(method, tmp_path):
    network = write_run(tmp_path, method, backbone=None if method != "has" else "test_efficientnet")
    loaded = load_run(tmp_path)
    expected = network.network.to(memory_format=torch.channels_last)
    assert torch.equal(loaded.module(random_images()), expected(random_images()))
    assert not loaded.module.training
    assert type(loaded.module.head) is type(network.network.head)


@pytest.mark.parametrize(
    ("method", "class_map_method"),
    [("cam", "cam"), ("acol+cutmix", "acol"), ("spg", "cam"), ("ts_cam", "ts_cam"), ("adl", "cam")],
)
def test_info_is_loaded_with_the_weights(method, class_map_method, tmp_path):
    backbone = "test_vit" if method == "ts_cam" else "test_resnet"
    network = write_run(tmp_path, method, backbone=backbone, input_size=96, multi_label=True)
    assert load_run(tmp_path).info == ModelInfo(
        NAMES,
        network.preprocessing,
        method=class_map_method,
        quality="plain",
        threshold=0.35,
        multi_label=True,
        background_index=3,
    )


def test_class_thresholds_are_loaded(tmp_path):
    thresholds = (0.25, 0.5, 0.75, 0.9)
    network = write_run(tmp_path, info={"class_thresholds": thresholds})
    assert read_metadata(tmp_path) == metadata(network, class_thresholds=thresholds)
    assert load_run(tmp_path).info.class_thresholds == thresholds


def test_network_config_is_loaded(tmp_path):
    network = write_run(tmp_path, "acol", delta=0.75)
    assert read_metadata(tmp_path) == metadata(network)
    assert read_metadata(tmp_path).config.delta == 0.75
    assert load_run(tmp_path).module.head.delta == 0.75


# The metadata of a run of version 0.1.0, as its file has them.
VERSION_0_1_0 = {
    "plan": {
        "backbone": "test_efficientnet",
        "method": "cam",
        "classes": 4,
        "output_stride": 16,
        "input_size": 64,
        "multi_label": True,
        "width": 8,
        "delta": 0.6,
        "teacher": None,
        "shared": False,
    },
    "class_names": list(NAMES),
    "preprocessing": {"height": 64, "width": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "threshold": 0.35,
    "threshold_from": "the boxes of 12 validation images",
    "background": 3,
    "quality": "fast",
    "class_thresholds": [0.25, 0.5, 0.75, 0.9],
}


@pytest.mark.parametrize("without", ["class_thresholds", "quality", None])
def test_a_checkpoint_of_version_0_1_0_is_loaded(without, tmp_path):
    stored = {name: value for name, value in VERSION_0_1_0.items() if name != without}
    network = built("cam", width=8, multi_label=True).network
    save_file(network.state_dict(), tmp_path / MODEL_FILE, {"weakspot": json.dumps(stored)})
    loaded = load_run(tmp_path)
    assert loaded.info == ModelInfo(
        NAMES,
        PREPROCESSING.changed(mean=(0.5,) * 3, std=(0.5,) * 3),
        method="cam",
        quality="plain" if without == "quality" else "fast",
        threshold=0.35,
        class_thresholds=() if without == "class_thresholds" else (0.25, 0.5, 0.75, 0.9),
        multi_label=True,
        background_index=3,
    )
    assert torch.equal(loaded.module(random_images()), network.to(memory_format=torch.channels_last)(random_images()))


@given(
    st.lists(st.text(), min_size=2, max_size=5),
    st.floats(0, 1, exclude_min=True),
    st.text(),
    st.integers(0, 1) | st.none(),
)
def test_any_names_numbers_and_words_are_read_back(tmp_path_factory, names, threshold, words, background):
    path = tmp_path_factory.mktemp("run") / MODEL_FILE
    config = NetworkConfig("test_resnet", "cam", len(names), 16, 64, width=0)
    info = ModelInfo(
        tuple(names), PREPROCESSING, method="cam", quality="fast", threshold=threshold, background_index=background
    )
    written = CheckpointMetadata(config, info, words)
    write_checkpoint(path, {"w": torch.zeros(1)}, written)
    assert read_metadata(path) == written


@pytest.mark.parametrize("as_given", [str, lambda folder: folder, lambda folder: folder / MODEL_FILE])
def test_a_run_is_named_by_its_folder_or_its_file(as_given, tmp_path):
    write_run(tmp_path)
    assert is_run(as_given(tmp_path))
    assert read_metadata(as_given(tmp_path)).info.class_names == NAMES
    assert load_run(as_given(tmp_path)).info.class_names == NAMES


@pytest.mark.parametrize("path", ["resnet50", "x" * 5000, "a\0b", ".", ""])
def test_other_paths_are_not_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_run(path)


def test_a_finer_stride_uses_the_same_weights(tmp_path):
    network = write_run(tmp_path, "cam", backbone="resnet18", output_stride=32)
    fine = load_run(tmp_path, output_stride=8).module
    with torch.no_grad():
        coarse = network.network.trunk(random_images())
        torch.testing.assert_close(fine.trunk(random_images())[:, :, ::4, ::4], coarse, rtol=1e-4, atol=1e-5)
    assert fine.trunk(random_images()).shape[2:] == (8, 8)


def test_an_unsupported_stride_is_refused(tmp_path):
    write_run(tmp_path, "ts_cam")
    with refused("stride-not-supported", "test_vit", 8):
        load_run(tmp_path, output_stride=8)


def test_weights_are_written_from_any_memory_format(tmp_path):
    network = built("cam", width=8)
    strided = {name: value.to(memory_format=torch.channels_last) if value.dim() == 4 else value
               for name, value in network.network.state_dict().items()}  # fmt: skip
    write_checkpoint(tmp_path / MODEL_FILE, strided, metadata(network))
    written = load_file(tmp_path / MODEL_FILE)
    assert written.keys() == strided.keys()
    assert all(torch.equal(written[name], value) for name, value in strided.items())
    assert [path.name for path in tmp_path.iterdir()] == [MODEL_FILE]


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(None, id="no metadata"),
        pytest.param({"format": "pt"}, id="metadata of another tool"),
        pytest.param({"weakspot": ""}, id="empty"),
        pytest.param({"weakspot": "{"}, id="truncated JSON"),
        pytest.param({"weakspot": "[]"}, id="a list"),
        pytest.param({"weakspot": "7"}, id="a number"),
        pytest.param({"weakspot": "null"}, id="null"),
        pytest.param({"weakspot": '{"plan": {}}'}, id="an empty plan"),
    ],
)
def test_a_foreign_safetensors_file_is_refused(stored, tmp_path):
    save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors", stored)
    with refused("metadata-invalid", tmp_path / "w.safetensors", kind=ModelError):
        load_run(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"plan": []}, id="plan is a list"),
        pytest.param({"plan": {"backbone": 5}}, id="backbone is a number"),
        pytest.param({"plan": {"method": None}}, id="no method"),
        pytest.param({"plan": {"classes": "4"}}, id="classes is text"),
        pytest.param({"plan": {"classes": 5}}, id="more classes than names"),
        pytest.param({"plan": {"delta": [1]}}, id="delta is a list"),
        pytest.param({"plan": {"color": "red"}}, id="unknown field of the plan"),
        pytest.param({"plan": {"classes": 0}, "class_names": []}, id="no classes"),
        pytest.param({"plan": {"multi_label": True}}, id="multi_label differs from the plan"),
        pytest.param({"method": "acol"}, id="method differs from the plan"),
        pytest.param({"threshold": None}, id="no threshold"),
        pytest.param({"threshold_from": 3}, id="threshold_from is a number"),
        pytest.param({"epochs": 3}, id="unknown field"),
    ],
)
def test_invalid_metadata_are_refused(changes, tmp_path):
    network, file = built("cam", width=8), tmp_path / MODEL_FILE
    stored = metadata(network).to_dict()
    for name, change in changes.items():
        stored[name] = stored[name] | change if isinstance(change, dict) else change
    save_file(network.network.state_dict(), file, {"weakspot": json.dumps(stored)})
    with refused("metadata-invalid", file, kind=ModelError):
        load_run(file)


def test_an_integer_is_accepted_as_a_float(tmp_path):
    network = built("acol", width=8, delta=1)
    write_checkpoint(tmp_path / MODEL_FILE, network.network.state_dict(), metadata(network, threshold=1))
    assert load_run(tmp_path).info.threshold == 1


@pytest.mark.parametrize("keep", [0, 4, 100, -1000])
def test_a_truncated_file_is_refused(keep, tmp_path):
    write_run(tmp_path)
    file = tmp_path / MODEL_FILE
    file.write_bytes(file.read_bytes()[:keep])
    with refused("damaged-file", file, kind=ModelError):
        load_run(file)


def test_a_damaged_header_is_refused(tmp_path):
    write_run(tmp_path)
    file = tmp_path / MODEL_FILE
    file.write_bytes(file.read_bytes().replace(b'"dtype"', b'"dtypo"', 1))
    with refused("damaged-file", file, kind=ModelError):
        load_run(file)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_is_refused_and_not_run(kind, tmp_path):
    file, created = tmp_path / MODEL_FILE, tmp_path / "created"
    trap = {"weakspot": Trap(created)}
    file.write_bytes(pickle.dumps(trap)) if kind == "pickle" else torch.save(trap, file)
    with refused("damaged-file", file, kind=ModelError):
        load_run(file)
    assert not created.exists()


def test_a_missing_file_is_refused(tmp_path):
    with refused("checkpoint-not-found", tmp_path / "gone.safetensors", kind=ModelError):
        load_run(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    ("changes", "code", "value"),
    [
        pytest.param({"width": 16}, "weights-mismatch", "head", id="width"),
        pytest.param({"method": "acol"}, "weights-mismatch", "head.branch_a", id="method"),
        pytest.param({"backbone": "test_resnet"}, "weights-mismatch", "trunk", id="backbone"),
        pytest.param({"backbone": "resnet5O"}, "unknown-model", "resnet5O", id="unknown backbone"),
        pytest.param({"method": "camm"}, "unknown-method", "camm", id="unknown method"),
        pytest.param({"width": -3}, "out-of-range", -3, id="impossible width"),
    ],
)
def test_a_config_that_does_not_fit_the_weights_is_refused(changes, code, value, tmp_path):
    network = write_run(tmp_path)
    config = replace(network.config, **changes)
    info = {"method": "acol"} if changes.get("method") == "acol" else {}
    changed = replace(metadata(network, **info), config=config)
    write_checkpoint(tmp_path / MODEL_FILE, network.network.state_dict(), changed)
    with refused(code, value, kind=WeakspotError):
        load_run(tmp_path)


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    network = built("cam", width=8)
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        write_checkpoint(tmp_path / "file" / MODEL_FILE, network.network.state_dict(), metadata(network))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("runs/birds", "run-not-found", id="a folder"),
        pytest.param("torchvision/birds", "unknown-model", id="a model of torchvision"),
        pytest.param("birds", "unknown-model", id="a name"),
    ],
)
def test_a_name_of_neither_a_run_nor_a_model_is_refused(name, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with refused(code, "birds", kind=ModelError):
        resolve_model(name)
