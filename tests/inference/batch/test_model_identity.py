"""A run is continued with the weights that it began with, whatever leads to them."""

from types import SimpleNamespace

import pytest
import torch
from refusals import refused

from weakspot.errors import ModelError
from weakspot.inference.batch.model_identity import ModelIdentity, check_unchanged
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.models.run_files import MODEL_FILE


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two runs with different weights, and a link to the first one."""
    monkeypatch.chdir(tmp_path)
    for name in ("cats", "dogs"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / MODEL_FILE).write_text(name)
    (tmp_path / "runs" / "latest").symlink_to("cats")
    return tmp_path


def identity(model, **options):
    return ModelIdentity.of(LocalizeOptions(model=model, **options))


def saved(model, **options):
    """What the settings of a run hold."""
    found = identity(model, **options)
    named = {"model": model, "weights": options.get("weights", "pretrained")}
    return named | {name: str(value) for name, value in found.settings().items() if value is not None}


def with_weights(value):
    """A localizer with published weights."""
    return SimpleNamespace(model=torch.nn.ParameterList([torch.full((2,), float(value))]))


def test_a_link_and_the_run_itself_are_the_same_model(here):
    for one, other in (("runs/latest", "runs/cats"), ("runs/cats", f"runs/latest/{MODEL_FILE}")):
        identity(one).check_same(saved(other), here)
        assert {"model", "weights"} <= set(identity(one).free_settings(saved(other)))


def test_a_link_that_leads_to_another_run_is_refused_with_the_way_to_the_first(here):
    before = saved("runs/latest")
    (here / "runs" / "latest").unlink()
    (here / "runs" / "latest").symlink_to("dogs")
    with refused("model-changed", "runs/latest", here / "runs" / "dogs", f"--model {here}/runs/cats", kind=ModelError):
        identity("runs/latest").check_same(before, here)


def test_a_run_that_was_trained_again_or_has_other_thresholds_is_refused(here):
    before = saved("runs/cats")
    (here / "runs" / "cats" / MODEL_FILE).write_text("cats again")
    with refused("model-changed", "runs/cats", "has changed", kind=ModelError):
        identity("runs/cats").check_same(before, here)


def test_a_run_that_was_moved_is_the_same_model(here):
    before = saved("runs/cats")
    (here / "runs" / "cats").rename(here / "elsewhere")
    identity("elsewhere").check_same(before, here)


def test_a_weights_file_is_compared_and_the_name_of_its_model_too(here):
    (here / "a.pth").write_text("a")
    (here / "b.pth").write_text("b")
    before = saved("resnet18", weights="a.pth")
    now = identity("resnet18", weights="b.pth")
    with refused("model-changed", f"--model resnet18 --weights {here}/a.pth", kind=ModelError):
        now.check_same(before, here)
    assert "model" not in now.free_settings(before)
    assert "weights" in now.free_settings(before)


def test_published_weights_are_compared_once_they_are_loaded(here):
    named = identity("resnet18")
    before = {"model": "resnet18", "model_hash": named.loaded(with_weights(1)).digest}
    named.check_same(before, here)
    named.loaded(with_weights(1)).check_same(before, here)
    with refused("model-changed", "resnet18", "published", kind=ModelError):
        named.loaded(with_weights(2)).check_same(before, here)


@pytest.mark.parametrize(("before", "now"), [("runs/cats", "resnet18"), ("resnet18", "runs/cats")])
def test_a_run_and_published_weights_are_different_models(here, before, now):
    hashed = {name: str(identity(name).loaded(with_weights(1)).digest) for name in (before, now)}
    settings = saved(before) | {"model_hash": hashed[before]}
    with refused("model-changed", now, "--model", before, kind=ModelError):
        identity(now).loaded(with_weights(1)).check_same(settings, here)


def test_settings_without_a_hash_are_those_of_any_model(here):
    identity("runs/cats").check_same({"model": "runs/dogs"}, here)
    assert "model" not in identity("runs/cats").free_settings({"model": "runs/dogs"})


def test_a_worker_refuses_a_link_that_leads_to_another_run_by_now(here):
    options = LocalizeOptions(model="runs/latest")
    began = ModelIdentity.of(options)
    check_unchanged(options, began)
    (here / "runs" / "latest").unlink()
    (here / "runs" / "latest").symlink_to("dogs")
    with refused("model-changed", "runs/latest", kind=ModelError):
        check_unchanged(options, began)
    check_unchanged(LocalizeOptions(model="resnet18"), ModelIdentity.of(LocalizeOptions(model="resnet18")))
