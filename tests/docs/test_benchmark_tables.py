"""The tables of docs/benchmarks.md equal benchmarks/results, and their commands can be run."""

import argparse
import ast
import shlex
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from weakspot.cli.app import app

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import tables

COMMANDS = sorted({command for name in tables.names() for command in tables.load(name).commands})
SCRIPTS = sorted((tables.ROOT / "benchmarks").glob("*.py"))
TYPES = {"int": int, "float": float, "Path": Path}


def test_the_tables_of_the_page_equal_the_results():
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.rendered(page) == page, "run: python benchmarks/tables.py render"
    assert tables.parse(tables.MARKED.sub("", page))[0] == [], "every table has its results in benchmarks/results"
    markers = [(name, int(number)) for _, name, number, _, _ in tables.MARKED.findall(page)]
    counts = {name: len(tables.load(name).tables) for name in tables.names()}
    assert sorted(markers) == sorted((name, i) for name, count in counts.items() for i in range(1, count + 1))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_parses(command):
    program, *words = shlex.split(command)
    if program == "weakspot":
        app.parse_args(words, print_error=False, exit_on_error=False)
    else:
        assert program == "python"
        parser_of(tables.ROOT / words[0]).parse_args(words[1:])


def parser_of(script: Path) -> argparse.ArgumentParser:
    """Rebuild the parser of a script from its source; importing it would load what it measures."""
    parser = argparse.ArgumentParser(script.name, exit_on_error=False)
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "parser.add_argument":
            parser.add_argument(*map(ast.literal_eval, node.args), **dict(literal_keywords(node)))
    return parser


def literal_keywords(call: ast.Call):
    """Yield the type of an argument, and its other keywords that are literals."""
    for keyword in call.keywords:
        if keyword.arg == "type" and isinstance(keyword.value, ast.Name):
            yield "type", TYPES[keyword.value.id]
        elif keyword.arg in ("nargs", "action", "choices"):
            try:
                yield keyword.arg, ast.literal_eval(keyword.value)
            except ValueError:
                continue  # choices in a variable


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_imports_of_a_script_exist(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("weakspot"):
            module = import_module(node.module)
            for name in (alias.name for alias in node.names):
                assert hasattr(module, name) or find_spec(f"{module.__name__}.{name}"), name
