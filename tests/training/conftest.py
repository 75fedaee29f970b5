"""Small data sets, runs that several tests read, and one thread."""

from dataclasses import replace

import pytest
from small_runs import LEARNING, disc, small, write_discs

from weakspot.data import read_dataset
from weakspot.data.synthetic import SceneSettings, write_scenes

FROZEN = {"freeze": "backbone", "lr": 0.01}


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    """Use one thread in every test of training."""


@pytest.fixture(autouse=True, scope="session")
def _without_plots():
    """Plotting the curves takes a third of the time of a small run; test_finalize.py tests it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weakspot.training.finalize.learning_curves", lambda _: b"<svg/>")
        yield


@pytest.fixture(autouse=True, scope="session")
def _few_folds():
    """Fit three heads, not seven, when boxes teach a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weakspot.training.lesson._FEW_FOLDS", 2)
        yield


@pytest.fixture
def few_steps(monkeypatch):
    """Fit heads in a few steps, for tests that do not measure what they predict."""
    monkeypatch.setattr("weakspot.models.object_head._STEPS", 10)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Twenty training and seven validation scenes with boxes."""
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 20, "val": 7}, SceneSettings(2, size=64))


@pytest.fixture(scope="session")
def discs(tmp_path_factory):
    """Sixty-four training and sixteen validation images that any method learns in seconds."""
    return write_discs(tmp_path_factory.mktemp("data") / "discs", {"train": 64, "val": 16})


@pytest.fixture(scope="session")
def scenes_run(scenes, tmp_path_factory):
    """A run of two epochs with default options; tests must not write to it."""
    return small(scenes, tmp_path_factory.mktemp("shared") / "scenes")


@pytest.fixture(scope="session")
def frozen_run(scenes, tmp_path_factory):
    """A run of two epochs with a frozen backbone; tests must not write to it."""
    return small(scenes, tmp_path_factory.mktemp("shared") / "frozen", **FROZEN)


@pytest.fixture(scope="session")
def discs_run(discs, tmp_path_factory):
    """A CAM run that has learned the discs; tests must not write to it."""
    return small(discs, tmp_path_factory.mktemp("shared") / "cam", **LEARNING)


@pytest.fixture(scope="session")
def boxed(discs):
    """The discs with the boxes that they were drawn in."""
    dataset = read_dataset(discs)
    return replace(dataset, samples=tuple(map(with_box, dataset.samples)))


def with_box(sample):
    (item,) = sample.objects
    seed = int(sample.path.stem) + 64 * (sample.split == "val")
    box = tuple(float(side) for side in disc(item.label, seed)[1])
    return replace(sample, objects=(replace(item, box=box),))
