"""What the tests of the pages do not run as written, each with the reason. An entry that matches nothing fails a test.

A new page needs no entry if its commands are quick and find the files that they name: see readers_folder.py.
"""

import json
import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

SERVICE = "http://127.0.0.1:8000"

# Pages that other tests run: the beginning of their names, and the reason.
LEFT_OUT = {"docs/tutorial/": "its cells are run by tests/docs/test_lecture.py"}

# Languages that are not commands, and what parses them; None for any text.
OTHER_TAGS: dict[str, Callable[[str], object] | None] = {"json": json.loads, "text": None, "toml": tomllib.loads}

# Pages whose blocks may have no language.
UNTAGGED = {"docs/architecture.md": "a drawing of boxes and arrows"}

# Pages whose reader has a run already, and its folder.
BEGIN_WITH_A_RUN = {"docs/scale.md": "runs/birds", "README.md": "demo/runs/cam"}

ENVIRONMENT = {"SLURM_ARRAY_TASK_ID": "3", "WEAKSPOT_TOKEN": "secret"}


class Substitute(NamedTuple):
    """Words that are replaced in the test."""

    words: str
    by: str
    reason: str
    page: str = "*"

    def matches(self, page: str, text: str) -> bool:
        return fnmatchcase(page, self.page) and self.words in text


class NotRun(NamedTuple):
    """A pattern of command lines, or of Python blocks, that are only parsed."""

    pattern: str
    reason: str
    page: str = "*"

    def matches(self, page: str, text: str) -> bool:
        return fnmatchcase(page, self.page) and fnmatchcase(text, self.pattern)


QUICK = "--backbone test_efficientnet --weights none --input-size 64 --epochs 1"

SUBSTITUTES = (
    Substitute("train images/", f"train images/ {QUICK}", "EfficientNet-Lite0 takes a minute to train"),
    *(
        Substitute(f"train {data}/ --method mil --input-size {side}", f"train {data}/ --method mil {QUICK}", "448 px")
        for data, side in (("parts", 448), ("scans", 448), ("crops", 224))
    ),
    Substitute("train birds/ --method cam", f"train birds/ --method cam {QUICK}", "EfficientNet-Lite0 takes long"),
    Substitute("efficientnet_lite0 birds/", "efficientnet_lite0 birds/ --input-size 96", "288 px take nine times that"),
    Substitute(
        "export runs/birds -o birds.onnx",
        "export runs/birds -o birds.onnx --quality plain",
        "exporting the default quality takes three times as long",
    ),
    Substitute("--model birds.onnx", "--model runs/birds", "operator.md exports the file", "docs/scale.md"),
    Substitute("/shared/found", "shared/found", "writes into the test's own folder", "docs/scale.md"),
)

NOT_RUN = (
    NotRun("weakspot check", "measures the machine, which takes seconds; tests/cli/test_check.py runs it"),
    NotRun("weakspot demo*", "takes minutes; tests/cli/test_demo.py runs it"),
    NotRun("make *", "runs pip and all tests"),
    NotRun(". .venv/bin/activate*", "tests have an environment"),
    NotRun("python3 -m venv *", "tests have an environment"),
    NotRun("pip install *", "installs packages"),
    NotRun("python benchmarks/*", "takes minutes, and peers or images that are not part of the repository"),
    NotRun("docker *", "needs Docker"),
    NotRun("export *", "makes a secret"),
    NotRun("curl -H *", "asks the container"),
    NotRun("torchrun *", "needs several machines; tests/training/test_train_nodes.py runs two on one"),
    NotRun("ray *", "needs a cluster"),
    NotRun("weakspot *--engine ray*", "starting Ray takes long; tests/inference/batch/ray/test_run.py does"),
    NotRun("weakspot serve *", "serves until it is stopped; curl and the client use the service of the tests"),
    NotRun("weakspot review *", "serves until it is stopped; tests/cli/test_review.py starts it"),
    NotRun("weakspot compare *", "takes hours", "docs/benchmarks.md"),
    NotRun("weakspot train *", "takes hours", "docs/benchmarks.md"),
    NotRun("weakspot export *", "needs a run that takes hours", "docs/benchmarks.md"),
)


def substituted(page: str, text: str) -> str:
    """Return a command line or a Python block as it is run."""
    for entry in SUBSTITUTES:
        if entry.matches(page, text):
            text = text.replace(entry.words, entry.by)
    return text


def why_not_run(page: str, text: str) -> str | None:
    """Return the reason why a command line or a Python block is not run, or None if it is."""
    return next((entry.reason for entry in NOT_RUN if entry.matches(page, text)), None)
