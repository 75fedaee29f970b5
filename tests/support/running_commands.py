"""Commands of the pages, run in this process: importing torch for each would take minutes."""

import argparse
import io
import subprocess
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import httpx
from shell_words import Step

from weakspot.cli.app import main

Runner = Callable[[list[str], bytes], str]


def run(step: Step) -> None:
    """Run a command with what the commands before it in a pipe print, and what follows in it with what it prints."""
    given = b""
    for words in step.before:
        given = subprocess.run(words, input=given, check=True, capture_output=True).stdout
    printed = RUNNERS.get(step.words[0], run_program)(step.words, given)
    for words in step.behind:
        printed = run_program(words, printed.encode())


def run_weakspot(words: list[str], given: bytes) -> str:
    with redirect_stdout(io.StringIO()) as printed, patch("sys.stdin", io.TextIOWrapper(io.BytesIO(given))):
        code = main(words[1:])
    assert code in (0, 1), f"exit code {code}"
    return printed.getvalue()


def run_curl(words: list[str], given: bytes) -> str:
    """Ask by httpx what curl would ask."""
    told = CURL.parse_args(words[1:])
    forms = [form.split("=", 1) for form in told.form]
    files = [(name, (value[1:], Path(value[1:]).read_bytes())) for name, value in forms if value.startswith("@")]
    fields: dict[str, list[str]] = {}
    for name, value in forms:
        if not value.startswith("@"):
            fields.setdefault(name, []).append(value)
    headers = dict(header.split(": ", 1) for header in told.header)
    verb = "POST" if forms or told.data_binary else "GET"
    content = Path(told.data_binary[1:]).read_bytes() if told.data_binary else None
    answer = httpx.request(
        verb, told.url, content=content, data=fields or None, files=files or None, headers=headers, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def run_program(words: list[str], given: bytes) -> str:
    """A program of the system, such as ls or head."""
    return subprocess.run(words, input=given, check=True, capture_output=True).stdout.decode()


CURL = argparse.ArgumentParser("curl")
CURL.add_argument("url")
CURL.add_argument("-F", "--form", action="append", default=[])
CURL.add_argument("--data-binary")
CURL.add_argument("-H", "--header", action="append", default=[])
CURL.add_argument("-s", "--silent", action="store_true")
CURL.add_argument("-f", "--fail", action="store_true")

RUNNERS: dict[str, Runner] = {"weakspot": run_weakspot, "curl": run_curl}
