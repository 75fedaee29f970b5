"""Fixtures that many tests share; this folder is importable, so nets.py is, too."""

import gc
import os

import pytest
import torch
from hypothesis import settings
from small_graphs import exported, run_folder

import weakspot as ws

collect_ignore = ["support"]

# Examples may take as long as a busy machine needs.
settings.register_profile("weakspot", deadline=None)
# For CI: fewer examples, in less time.
settings.register_profile("ci", deadline=None, max_examples=20)
settings.load_profile(os.environ.get("WEAKSPOT_EXAMPLES", "weakspot"))
# For mutation testing, which runs a test hundreds of times: always the same few examples.
settings.register_profile("quick", deadline=None, max_examples=10, derandomize=True, database=None)


# No graph that an earlier run left in the user's cache has a say, and none is left there.
os.environ["WEAKSPOT_BACKEND"] = "torch"
# Help is as wide as on a small terminal, whatever terminal the tests run in. The first help printed keeps its width.
os.environ["COLUMNS"] = "80"


def pytest_collection_finish():
    """Have the garbage collector pass over what is there for good: over a million objects of the libraries."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def one_thread():
    """Small networks are ten times as fast without threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def exported_run(tmp_path_factory):
    """A run's file, which takes seconds to write, and the run in PyTorch."""
    folder = tmp_path_factory.mktemp("graph")
    return exported(run_folder(folder), folder / "birds.onnx")


@pytest.fixture(scope="session")
def lite0():
    """The packaged classifier with its real weights, read by Grad-CAM."""
    return ws.Localizer(quality="plain")
