"""What the files of a model say without torch."""

import hashlib

import pytest
from refusals import refused
from small_graphs import NAMES, run_folder

from weakspot.errors import InputError, ModelError
from weakspot.models.run_files import (
    MODEL_FILE,
    check_model_files,
    check_trained,
    hash_file,
    read_background,
    read_class_names,
    weights_file,
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A finished run, a link to it, an unfinished run and weights, below the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "cats").mkdir(parents=True)
    (tmp_path / "runs" / "cats" / MODEL_FILE).write_bytes(b"weights")
    (tmp_path / "runs" / "latest").symlink_to("cats")
    (tmp_path / "runs" / "begun").mkdir()
    (tmp_path / "runs" / "begun" / "config.toml").touch()
    (tmp_path / "my.pth").touch()
    return tmp_path


def test_the_weights_of_a_model_are_in_its_run_in_its_file_or_published(here):
    (here / "model.onnx").touch()
    assert weights_file("runs/latest").resolve() == here / "runs" / "cats" / MODEL_FILE
    assert weights_file(f"runs/cats/{MODEL_FILE}").resolve() == here / "runs" / "cats" / MODEL_FILE
    assert weights_file("model.onnx").name == "model.onnx"
    assert weights_file("resnet18", "my.pth").name == "my.pth"
    assert weights_file("resnet18") is None
    assert weights_file("resnet18", None) is None


@pytest.mark.parametrize(
    ("model", "weights", "code", "kind", "value"),
    [
        ("runs/begun", "pretrained", "run-unfinished", ModelError, "--resume runs/begun"),
        ("runs/none", "pretrained", "run-not-found", ModelError, "runs/none"),
        ("runs/cats", "my.pth", "options-conflict", InputError, "runs/cats"),
        ("resnet18", "missing.pth", "weights-not-found", ModelError, "missing.pth"),
    ],
)
def test_files_that_cannot_be_those_of_a_model_are_refused(here, model, weights, code, kind, value):
    with refused(code, value, kind=kind):
        check_model_files(model, weights)


@pytest.mark.parametrize("model", ["runs/cats", "resnet18", "torchvision/resnet18", "hf-hub:timm/resnet18", "x.onnx"])
def test_what_may_be_a_model_is_accepted(here, model):
    check_model_files(model)


def test_a_run_without_a_model_is_refused(here):
    assert check_trained("runs/latest").name == MODEL_FILE
    with refused("checkpoint-not-found", "runs/begun", kind=ModelError):
        check_trained("runs/begun")


def test_a_file_is_hashed_by_its_bytes(here):
    assert hash_file(here / "runs" / "latest" / MODEL_FILE) == hashlib.blake2b(b"weights", digest_size=16).hexdigest()
    with refused("weights-unreadable", "none.pth", kind=ModelError):
        hash_file(here / "none.pth")


def test_class_names_are_those_of_the_metadata_if_they_can_be_read(here):
    run_folder(here / "runs")
    assert read_class_names("runs") == read_class_names(f"runs/{MODEL_FILE}") == NAMES
    for model in ("runs/cats", "runs/begun", "my.pth", "resnet18", "none.onnx"):
        assert read_class_names(model) == ()


def test_the_label_of_images_without_an_object_is_read(tmp_path):
    assert read_background(str(tmp_path / "none")) == "background"
    assert read_background(str(run_folder(tmp_path))) == "background"
    assert read_background(str(run_folder(tmp_path, background_index=3))) == NAMES[3]
