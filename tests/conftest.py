"""Fixtures that many tests share; this folder is importable, so nets.py is, too."""

import pytest
import torch

import weakspot as ws


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def lite0():
    """The packaged classifier with its real weights, read by Grad-CAM."""
    return ws.Localizer()
