"""Commands that are not run are looked at as far as that goes: no option is misspelt, no file and no target missing."""

import argparse
import ast
import re
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from page_blocks import ROOT
from torch.distributed.run import get_args_parser

from weakspot.cli.app import app
from weakspot.cli.command_line import _with_stdin_last

MAKE_TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)
KEPT = ("action", "nargs", "choices")  # of what is said of an option


def check(words: list[str]) -> None:
    """Fail if a command that is not run cannot work."""
    CHECKS.get(words[0], lambda _: None)(words[1:])
    for at, word in enumerate(words):
        if word == "weakspot" and words[at - 1] in ("-m", "--"):  # of torchrun, or of ray job submit
            check_weakspot(words[at + 1 :])


def check_weakspot(words: list[str]) -> None:
    """The real parser takes the words. A command's name alone stands for the command."""
    if len(words) == 1:
        assert words[0] in list(app), f"There is no command weakspot {words[0]}."
    else:
        app.parse_args(_with_stdin_last(words), exit_on_error=False, print_error=False)


def check_make(targets: list[str]) -> None:
    known = MAKE_TARGET.findall((ROOT / "Makefile").read_text())
    assert set(targets) <= set(known), f"The Makefile has {known}, and not all of {targets}."


def check_python(words: list[str]) -> None:
    """The script is there, and takes the options."""
    if words[0] == "-m":
        assert find_spec(words[1].partition(".")[0]), f"There is no module {words[1]}."
    else:
        parser_of(ROOT / words[0]).parse_args(words[1:])


def check_pip(words: list[str]) -> None:
    """The extras are pyproject's."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words[1:]:
        if word.startswith((".", "weakspot")):
            asked = Requirement(f"weakspot{word.removeprefix('.')}" if word.startswith(".") else word).extras
            assert asked <= set(known), f"There are the extras {sorted(known)}, and not all of {asked}."


def check_docker(words: list[str]) -> None:
    assert (ROOT / "Dockerfile").is_file()


def check_torchrun(words: list[str]) -> None:
    get_args_parser().parse_args(words)


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "weakspot": check_weakspot,
    "make": check_make,
    "python": check_python,
    "pip": check_pip,
    "docker": check_docker,
    "torchrun": check_torchrun,
}


def parser_of(script: Path) -> argparse.ArgumentParser:
    """Build the parser of a script from what it says, without importing what it measures."""
    parser = argparse.ArgumentParser(script.name)
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "parser.add_argument":
            parser.add_argument(*(_value(one) for one in node.args), **_told(node))
    return parser


def _told(call: ast.Call) -> dict:
    """What is said of an option in plain values; names of constants are passed over."""
    told = {one.arg: _value(one.value) for one in call.keywords if one.arg in KEPT}
    return {name: value for name, value in told.items() if value is not None}


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
