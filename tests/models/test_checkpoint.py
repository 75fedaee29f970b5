import json
import pickle
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from small_networks import built, photos

from weakspot.errors import InputError, ModelError, WeakspotError
from weakspot.models.checkpoint import (
    MODEL_FILE,
    CheckpointMetadata,
    is_run,
    load_run,
    read_trained,
    resolve_model,
    write_model,
)
from weakspot.models.networks import NetworkConfig

NAMES = ("cat", "собака", "owl, snowy", "none")


def trained(found, **changes):
    standing = CheckpointMetadata(found.plan, NAMES, found.preprocessing, 0.35, "validation boxes", background=3)
    return replace(standing, **changes)


def written(folder, method="cam", *, changes=None, **options):
    found = built(method, width=8, **options)
    write_model(folder / MODEL_FILE, found.network.state_dict(), trained(found, **(changes or {})))
    return found


@pytest.mark.parametrize("method", ["cam", "acol", "spg", "ts_cam", "has"])
def test_a_network_that_is_written_and_loaded_gives_the_same_logits_to_the_bit(method, tmp_path):
    found = written(tmp_path, method, backbone=None if method != "has" else "test_efficientnet")
    loaded = load_run(tmp_path)
    expected = found.network.to(memory_format=torch.channels_last)
    assert torch.equal(loaded.module(photos()), expected(photos()))
    assert not loaded.module.training
    assert type(loaded.module.head) is type(found.network.head)


@pytest.mark.parametrize(
    ("method", "reads"), [("cam", "cam"), ("acol+cutmix", "acol"), ("spg", "cam"), ("ts_cam", "ts_cam"), ("adl", "cam")]
)
def test_what_stands_beside_the_weights_travels_with_them(method, reads, tmp_path):
    backbone = "test_vit" if method == "ts_cam" else "test_resnet"
    found = written(tmp_path, method, backbone=backbone, input_size=96, multi_label=True)
    loaded = load_run(tmp_path)
    assert loaded.class_names == NAMES
    assert loaded.preprocessing == found.preprocessing
    assert (loaded.method, loaded.threshold, loaded.multi_label, loaded.background) == (reads, 0.35, True, 3)


def test_thresholds_of_classes_travel_too_and_older_runs_have_none(tmp_path):
    levels = (0.25, 0.5, 0.75, 0.9)
    found = written(tmp_path, changes={"class_thresholds": levels})
    assert read_trained(tmp_path) == trained(found, class_thresholds=levels)
    assert load_run(tmp_path).class_thresholds == levels
    told = {name: value for name, value in asdict(trained(found)).items() if name != "class_thresholds"}
    save_file(load_file(tmp_path / MODEL_FILE), tmp_path / MODEL_FILE, {"weakspot": json.dumps(told)})
    assert load_run(tmp_path).class_thresholds == ()


def test_all_that_is_told_is_read_back(tmp_path):
    found = written(tmp_path, "acol", delta=0.75)
    assert read_trained(tmp_path) == trained(found)
    assert read_trained(tmp_path).plan.delta == 0.75
    assert load_run(tmp_path).module.head.delta == 0.75


@given(
    st.lists(st.text(), min_size=2, max_size=5),
    st.floats(0, 1, exclude_min=True),
    st.text(),
    st.integers(0, 1) | st.none(),
)
def test_any_names_numbers_and_words_are_read_back(tmp_path_factory, names, threshold, words, background):
    path = tmp_path_factory.mktemp("run") / MODEL_FILE
    plan = NetworkConfig("test_resnet", "cam", len(names), 16, 64, width=0)
    told = CheckpointMetadata(plan, tuple(names), FRAME, threshold, words, background)
    write_model(path, {"w": torch.zeros(1)}, told)
    assert read_trained(path) == told


FRAME = built("cam").preprocessing


@pytest.mark.parametrize("as_given", [str, lambda folder: folder, lambda folder: folder / MODEL_FILE])
def test_the_folder_or_its_file_may_be_named(as_given, tmp_path):
    written(tmp_path)
    assert is_run(as_given(tmp_path))
    assert read_trained(as_given(tmp_path)).class_names == NAMES
    assert load_run(as_given(tmp_path)).class_names == NAMES


@pytest.mark.parametrize("path", ["resnet50", "x" * 5000, "a\0b", ".", ""])
def test_what_is_no_run_is_none(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_run(path)


def test_a_finer_stride_takes_the_same_weights(tmp_path):
    found = written(tmp_path, "cam", backbone="resnet18", output_stride=32)
    fine = load_run(tmp_path, output_stride=8).module
    with torch.no_grad():
        coarse = found.network.trunk(photos())
        torch.testing.assert_close(fine.trunk(photos())[:, :, ::4, ::4], coarse, rtol=1e-4, atol=1e-5)
    assert fine.trunk(photos()).shape[2:] == (8, 8)


def test_a_stride_that_cannot_be_is_refused(tmp_path):
    written(tmp_path, "ts_cam")
    with pytest.raises(InputError, match="test_vit cannot be built with output stride 8"):
        load_run(tmp_path, output_stride=8)


def test_weights_are_written_from_any_device_and_layout(tmp_path):
    found = built("cam", width=8)
    strided = {name: value.to(memory_format=torch.channels_last) if value.dim() == 4 else value
               for name, value in found.network.state_dict().items()}  # fmt: skip
    write_model(tmp_path / MODEL_FILE, strided, trained(found))
    kept = load_file(tmp_path / MODEL_FILE)
    assert kept.keys() == strided.keys()
    assert all(torch.equal(kept[name], value) for name, value in strided.items())
    assert [path.name for path in tmp_path.iterdir()] == [MODEL_FILE]


def told(found, **changes):
    """The JSON beside the weights, with some of it changed."""
    content = asdict(trained(found))
    for name, change in changes.items():
        content[name] = content[name] | change if isinstance(change, dict) else change
    return content


NO_PLAN = ["{file} does not say how its network is built.", "Give the folder of a run of weakspot train."]
DAMAGED = ["{file} is damaged or not a weights file.", "Copy it again, or train anew."]


def refusal_of(file):
    with pytest.raises(ModelError) as refusal:
        load_run(file)
    assert str(refusal.value).splitlines()[0].startswith(str(file))
    return [line.replace(str(file), "{file}") for line in str(refusal.value).splitlines()]


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(None, id="none at all"),
        pytest.param({"format": "pt"}, id="those of others"),
        pytest.param({"weakspot": ""}, id="nothing"),
        pytest.param({"weakspot": "{"}, id="half a JSON"),
        pytest.param({"weakspot": "[]"}, id="a list"),
        pytest.param({"weakspot": "7"}, id="a number"),
        pytest.param({"weakspot": "null"}, id="null"),
        pytest.param({"weakspot": '{"plan": {}}'}, id="an empty plan"),
    ],
)
def test_a_foreign_safetensors_file_is_refused(metadata, tmp_path):
    save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors", metadata)
    assert refusal_of(tmp_path / "w.safetensors") == NO_PLAN


def test_what_is_told_is_read_where_it_makes_sense(tmp_path):
    found, file = built("cam", width=8), tmp_path / MODEL_FILE
    save_file(found.network.state_dict(), file, {"weakspot": json.dumps(told(found, background=0))})
    assert read_trained(file) == trained(found, background=0)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"plan": []}, id="plan is a list"),
        pytest.param({"plan": {"backbone": 5}}, id="backbone is a number"),
        pytest.param({"plan": {"method": None}}, id="no method"),
        pytest.param({"plan": {"classes": "4"}}, id="classes is text"),
        pytest.param({"plan": {"classes": 5}}, id="more classes than names"),
        pytest.param({"plan": {"delta": [1]}}, id="delta is a list"),
        pytest.param({"plan": {"colour": "red"}}, id="something unknown in the plan"),
        pytest.param({"plan": {"classes": 0}, "class_names": []}, id="no classes"),
        pytest.param({"class_names": 4}, id="names are a number"),
        pytest.param({"preprocessing": {"height": "tall"}}, id="height is text"),
        pytest.param({"preprocessing": {"height": -1}}, id="height is negative"),
        pytest.param({"preprocessing": {"std": [0, 0, 0]}}, id="deviations are 0"),
        pytest.param({"preprocessing": {"mean": ["a", "b", "c"]}}, id="means are text"),
        pytest.param({"threshold": 0}, id="threshold is 0"),
        pytest.param({"threshold": "half"}, id="threshold is text"),
        pytest.param({"class_thresholds": (0.5,)}, id="a threshold for one class of several"),
        pytest.param({"class_thresholds": (0.5, 0.5, 0.5, 1.0)}, id="a class's threshold is 1"),
        pytest.param({"class_thresholds": (0.5, 0.5, 0.5, 0.0)}, id="a class's threshold is 0"),
        pytest.param({"class_thresholds": ("half",) * 4}, id="thresholds of classes are text"),
        pytest.param({"threshold": 1, "class_thresholds": (0.5,) * 4}, id="levelled to the peak"),
        pytest.param({"background": 4}, id="no such background"),
        pytest.param({"background": -1}, id="negative background"),
        pytest.param({"epochs": 3}, id="something unknown"),
    ],
)
def test_nonsense_beside_the_weights_is_refused(changes, tmp_path):
    found, file = built("cam", width=8), tmp_path / MODEL_FILE
    save_file(found.network.state_dict(), file, {"weakspot": json.dumps(told(found, **changes))})
    assert refusal_of(file) == NO_PLAN


def test_whole_numbers_may_stand_for_fractions(tmp_path):
    found = built("acol", width=8, delta=1)
    write_model(tmp_path / MODEL_FILE, found.network.state_dict(), trained(found, threshold=1))
    assert load_run(tmp_path).threshold == 1


@pytest.mark.parametrize("keep", [0, 4, 100, -1000])
def test_a_truncated_file_is_refused(keep, tmp_path):
    written(tmp_path)
    file = tmp_path / MODEL_FILE
    file.write_bytes(file.read_bytes()[:keep])
    assert refusal_of(file) == DAMAGED


def test_a_damaged_header_is_refused(tmp_path):
    written(tmp_path)
    file = tmp_path / MODEL_FILE
    file.write_bytes(file.read_bytes().replace(b'"dtype"', b'"dtypo"', 1))
    assert refusal_of(file) == DAMAGED


class Trap:
    """Whoever unpickles it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_is_refused_and_not_run(kind, tmp_path):
    file, sprung = tmp_path / MODEL_FILE, tmp_path / "sprung"
    trap = {"weakspot": Trap(sprung)}
    file.write_bytes(pickle.dumps(trap)) if kind == "pickle" else torch.save(trap, file)
    assert refusal_of(file) == DAMAGED
    assert not sprung.exists()


def test_a_missing_file_is_refused(tmp_path):
    problem, hint = refusal_of(tmp_path / "gone.safetensors")
    assert problem == "{file} holds no trained model."
    assert "weakspot train" in hint


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"width": 16}, "has no head.convolution|does not fit the model: head", id="width"),
        pytest.param({"method": "acol"}, r"does not fit the model: it has no head\.branch_a", id="method"),
        pytest.param({"backbone": "test_resnet"}, "does not fit the model: it has no trunk", id="backbone"),
        pytest.param({"backbone": "resnet5O"}, "There is no model 'resnet5O'", id="no such backbone"),
        pytest.param({"method": "camm"}, "There is no training method 'camm'", id="no such method"),
        pytest.param({"width": -3}, "The width -3 is below 0", id="impossible width"),
    ],
)
def test_a_plan_that_its_weights_do_not_fit_is_refused_in_two_lines(changes, problem, tmp_path):
    found = written(tmp_path)
    write_model(tmp_path / MODEL_FILE, found.network.state_dict(), trained(found, plan=replace(found.plan, **changes)))
    with pytest.raises(WeakspotError, match=problem) as refusal:
        load_run(tmp_path)
    assert len(str(refusal.value).splitlines()) == 2


def test_writing_where_nothing_can_be_written_is_refused(tmp_path):
    found = built("cam", width=8)
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as refusal:
        write_model(tmp_path / "file" / MODEL_FILE, found.network.state_dict(), trained(found))
    assert len(str(refusal.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param(
            "runs/birds", r"There is no run in runs/birds\.\nCheck the path.* --output runs/birds", id="a folder"
        ),
        pytest.param("torchvision/birds", r"There is no model 'birds'\.", id="a model of torchvision"),
        pytest.param("birds", r"There is no model 'birds'\.", id="a name"),
    ],
)
def test_what_is_neither_a_run_nor_a_model_is_refused(name, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=problem):
        resolve_model(name)
