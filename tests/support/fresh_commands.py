"""Run commands in a fresh interpreter, and say what each has imported: python fresh_commands.py < commands.json."""

import contextlib
import io
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

SLOW = ("torch", "timm", "torchvision", "lightning")
# What commands import without torch, imported once for all of them to save time.
SHARED = (
    "weakspot.cli.demo",
    "weakspot.cli.evaluate",
    "weakspot.cli.label",
    "weakspot.cli.report",
    "weakspot.evaluation.class_mapping",
    "weakspot.inference.batch.run",
    "weakspot.inference.localizer",
    "weakspot.training.start",
)


class Ended(NamedTuple):
    """How a command ended: exit code, slow packages that it has imported, and what it said on stderr."""

    code: int
    imported: list[str]
    err: str


def run_commands(commands, folder):
    """Run each command in a folder as if it were the first of its process."""
    given = json.dumps(list(commands)).encode()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, str(Path(__file__).resolve())]
    done = subprocess.run(words, input=given, capture_output=True, check=True, cwd=folder, env=environment)
    return [Ended(*ended) for ended in json.loads(done.stdout)]


def _run_in_child(words):
    """Fork, so that nothing which one command imports is there for the next."""
    from weakspot.cli.app import main

    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            content = answer.read()
        os.waitpid(process, 0)
        return json.loads(content)
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    imported = [name for name in SLOW if name in sys.modules]
    os.write(writer, json.dumps([code, imported, err.getvalue()]).encode())
    os._exit(0)


if __name__ == "__main__":
    for module in SHARED:
        import_module(module)
    print(json.dumps([_run_in_child(words) for words in json.load(sys.stdin)]))
