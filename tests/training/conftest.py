"""Small data sets, and one thread."""

import pytest
from small_runs import write_discs

from weakspot.data.synthetic import SceneSettings, write_scenes


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    """For every test of training."""


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Twenty scenes to train on and seven to validate, with boxes."""
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 20, "val": 7}, SceneSettings(2, size=64))


@pytest.fixture(scope="session")
def discs(tmp_path_factory):
    """Sixty-four images to train on and sixteen to validate, so easy that any method learns them in seconds."""
    return write_discs(tmp_path_factory.mktemp("data") / "discs", {"train": 64, "val": 16})
