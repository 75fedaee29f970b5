"""What is not run as the pages have it, each with the reason. What stands here and matches nothing fails a test.

A page that is new needs nothing here as long as its commands are quick and find what they name: see readers_folder.py.
"""

import json
import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

SERVICE = "http://127.0.0.1:8000"

# Pages that other tests run: what their names begin with, and why they are not run here.
LEFT_OUT = {"docs/tutorial/": "its cells are run by tests/docs/test_lecture.py"}

# Languages that are no commands, and what reads them; None where any text will do.
OTHER_TAGS: dict[str, Callable[[str], object] | None] = {"json": json.loads, "text": None, "toml": tomllib.loads}

# Pages whose blocks may have no language at all.
UNTAGGED = {"docs/architecture.md": "a drawing of boxes and arrows"}

# Pages whose reader has a run already.
BEGIN_WITH_A_RUN = {"docs/scale.md": "runs/birds"}

# Names that a page's Python takes for granted.
NAMES_GIVEN = {"README.md": {"score_maps": np.zeros((1, 224, 224)), "boxes": [[[60, 40, 180, 160]]]}}

ENVIRONMENT = {"SLURM_ARRAY_TASK_ID": "3", "WEAKSPOT_TOKEN": "secret"}


class Substitute(NamedTuple):
    """Words that are others in the test."""

    words: str
    by: str
    reason: str
    page: str = "*"

    def matches(self, page: str, text: str) -> bool:
        return fnmatchcase(page, self.page) and self.words in text


class NotRun(NamedTuple):
    """A pattern of command lines, or of Python blocks, that are only checked as far as that goes."""

    pattern: str
    reason: str
    page: str = "*"

    def matches(self, page: str, text: str) -> bool:
        return fnmatchcase(page, self.page) and fnmatchcase(text, self.pattern)


_QUICK = "--backbone test_efficientnet --weights none --input-size 64 --epochs 1"
_HUB = "the weights of ResNet-50 come from a hub"

SUBSTITUTES = (
    Substitute(
        "train photos/ --output runs/birds",
        f"train photos/ --output runs/birds {_QUICK}",
        "EfficientNet-Lite0 is trained by the page's first command, and takes long to export",
    ),
    Substitute("train corrected", f"train corrected {_QUICK}", "EfficientNet-Lite0 is trained once already"),
    Substitute(
        "--backbone resnet50 --weights resnet50.safetensors --freeze none --epochs 20",
        "--backbone test_resnet --weights none --freeze none --input-size 64 --epochs 1",
        "takes minutes",
    ),
    Substitute(
        'ws.train("photos/", method="acol", freeze="backbone",',
        'ws.train("photos/", method="acol", backbone="test_resnet", weights="none", input_size=64, epochs=1,',
        "ACoL's two branches take a minute on EfficientNet-Lite0",
    ),
    Substitute("resnet50 birds/", "tf_efficientnet_lite0 birds/", _HUB),
    Substitute('"resnet50", "birds/"', '"tf_efficientnet_lite0", "birds/"', _HUB),
    Substitute("efficientnet_lite0 birds/", "efficientnet_lite0 birds/ --input-size 96", "288 px take nine times that"),
    Substitute("models.vgg16(", "models.mobilenet_v2(", "VGG-16 has 134 million weights to draw"),
    Substitute(
        "export runs/birds -o birds.onnx",
        "export runs/birds -o birds.onnx --quality plain",
        "exporting the default quality takes three times as long",
    ),
    Substitute("--model birds.onnx", "--model runs/birds", "exporting takes long; README.md does it", "docs/scale.md"),
    Substitute("--shard 3/64", "--shard 1/2", "one of 64 shares has none of the twelve photos"),
    Substitute("/shared/found", "shared/found", "writes into the test's own folder", "docs/scale.md"),
)

NOT_RUN = (
    NotRun("weakspot check", "takes seconds to measure the machine; tests/commands/test_check.py does"),
    NotRun("weakspot train --resume runs/birds", "goes on with what was interrupted, which nothing was here"),
    NotRun("make *", "runs pip and all tests"),
    NotRun(". .venv/bin/activate*", "tests have an environment"),
    NotRun("python3 -m venv *", "tests have an environment"),
    NotRun("pip install *", "installs"),
    NotRun("python benchmarks/*", "takes minutes, and peers or photos that are not part of the repository"),
    NotRun("docker *", "needs Docker"),
    NotRun("export *", "makes a secret for Docker"),
    NotRun("torchrun *", "needs several machines; tests/training/test_train_nodes.py runs two on one"),
    NotRun("ray *", "needs a cluster"),
    NotRun("weakspot *--engine ray*", "starting Ray takes long; tests/commands/test_on_ray.py does"),
    NotRun("weakspot serve *", "serves until it is ended; curl and the client ask the test's own service"),
    NotRun("weakspot compare *", "takes hours", "docs/benchmarks.md"),
    NotRun("weakspot train *", "takes hours", "docs/benchmarks.md"),
)


def substituted(page: str, text: str) -> str:
    """A command line or a Python block as it is run."""
    for one in SUBSTITUTES:
        if one.matches(page, text):
            text = text.replace(one.words, one.by)
    return text


def why_not_run(page: str, text: str) -> str | None:
    """The reason why a command line or a Python block is not run, or None if it is."""
    return next((one.reason for one in NOT_RUN if one.matches(page, text)), None)
