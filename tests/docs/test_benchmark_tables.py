"""The tables of docs/benchmarks.md are those in benchmarks/results, and their commands can be run."""

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

PAGE = tables.PAGE.read_text(encoding="utf-8")
MARKED = {(name, int(number)): content for _, name, number, content, _ in tables.MARKED.findall(PAGE)}
KINDS = {"int": int, "float": float, "Path": Path}


def test_the_page_is_as_it_is_rendered():
    assert tables.rendered(PAGE) == PAGE, "run: python benchmarks/tables.py render"


@pytest.mark.parametrize("name", tables.names())
def test_the_page_has_each_table_and_no_other(name):
    kept = tables.load(name).tables
    assert [number for found, number in MARKED if found == name] == list(range(1, len(kept) + 1))
    for number, table in enumerate(kept, start=1):
        (shown,), _ = tables.parse(MARKED[name, number])
        words = len(table.remarks.get("header", []))
        assert (shown.title, shown.header[: len(table.header)]) == (table.title, table.header)
        assert [row[: len(row) - words] for row in shown.rows] == table.rows


def test_no_table_of_the_page_is_unmarked():
    outside = tables.MARKED.sub("", PAGE)
    assert tables.parse(outside)[0] == [], "see the top of benchmarks/tables.py"
    assert {name for name, _ in MARKED} == set(tables.names())


@pytest.mark.parametrize("name", tables.names())
def test_rows_have_as_many_cells_as_the_header_and_remarks_have_their_row(name):
    for table in tables.load(name).tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert set(table.remarks.get("of", {})) <= {row[0] for row in table.rows}


@pytest.mark.parametrize("name", tables.names())
def test_a_section_has_commands(name):
    assert tables.load(name).commands


COMMANDS = sorted({command for name in tables.names() for command in tables.load(name).commands})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_name_what_exists(command):
    program, *words = shlex.split(command)
    if program == "weakspot":
        app.parse_args(words, print_error=False, exit_on_error=False)
        return
    assert program == "python"
    script, *words = words
    parser_of(tables.ROOT / script).parse_args(words)


def parser_of(script: Path) -> argparse.ArgumentParser:
    """The parser that a script makes, read from its text: to import it would load what it measures."""
    parser = argparse.ArgumentParser(script.name, exit_on_error=False)
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "parser.add_argument":
            parser.add_argument(*map(ast.literal_eval, node.args), **dict(known(node)))
    return parser


def known(call: ast.Call):
    """What a call says by literals, and the kinds of its values."""
    for word in call.keywords:
        if word.arg == "type" and isinstance(word.value, ast.Name):
            yield "type", KINDS[word.value.id]
        elif word.arg in ("nargs", "action", "choices"):
            try:
                yield word.arg, ast.literal_eval(word.value)
            except ValueError:
                continue  # choices that have a name


class TestPrinted:
    PRINTED = (
        "a banner\n\n**one**: 2 s\n\n| a | b |\n|---|---|\n| x | 1 |\n| y | |\n\nMemory: 3 MB.\n| a | c |\n|--:|---|\n"
    )

    def test_tables_titles_and_lines(self):
        found, text = tables.parse(self.PRINTED)
        assert found == [
            tables.Table("**one**: 2 s", ["a", "b"], [["x", "1"], ["y", ""]]),
            tables.Table("", ["a", "c"], []),
        ]
        assert text == ["a banner", "Memory: 3 MB."]

    def test_alike_tables_of_several_commands_are_one_and_rows_stand_once(self):
        one, other = (tables.Table("", ["a"], [["x"], [row]]) for row in "yz")
        assert tables.together([one, other]) == [tables.Table("", ["a"], [["x"], ["y"], ["z"]])]

    def test_remarks_stand_behind_the_figures_of_their_row(self):
        table = tables.Table("", ["a"], [["x"], ["y"]], {"header": ["kept"], "of": {"y": ["no"]}})
        assert table.to_markdown().splitlines() == ["| a | kept |", "| --- | --- |", "| x |  |", "| y | no |"]


class TestRunning:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tables, "RESULTS", tmp_path / "results")
        monkeypatch.setattr(tables, "PAGE", tmp_path / "page.md")
        tables.PAGE.write_text("<!-- table new 1 -->\n<!-- end of table -->\n")

    def test_a_new_section_is_run_kept_and_shown(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text("print('| a |\\n|---|\\n| 1 |\\nand so on')")
        tables.save(tables.Section("new", [f"python {script}"]))
        assert tables.run(["new"], tmp_path) == 0
        kept = tables.load("new")
        assert (kept.tables, kept.text) == ([tables.Table("", ["a"], [["1"]])], ["and so on"])
        assert kept.machine
        assert "| 1 |" in tables.PAGE.read_text()
        assert tables.taken("new", []).tables == kept.tables

    def test_what_cannot_be_run_is_said_and_the_others_go_on(self, tmp_path, capfd):
        tables.save(tables.Section("without-data", ["python x.py REALSPOT"]))
        tables.save(tables.Section("failing", ["python no-such-script.py"]))
        assert tables.run(tables.names(), tmp_path) == 2
        said = capfd.readouterr().err
        assert "without-data: not run" in said
        assert "realspot is missing" in said
        assert "failing: failed and left as it was" in said

    def test_names_of_sets_are_folders_and_scripts_are_in_the_repository(self, tmp_path):
        words = tables.words_of("python benchmarks/large_photos.py --photos TILE-DEFECTS/images", tmp_path)
        assert words[1:] == [f"{tables.ROOT}/benchmarks/large_photos.py", "--photos", f"{tmp_path}/tile-defects/images"]


@pytest.mark.parametrize("script", sorted((tables.ROOT / "benchmarks").glob("*.py")), ids=lambda script: script.name)
def test_what_a_script_takes_from_weakspot_is_there(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("weakspot"):
            module = import_module(node.module)
            assert [name.name for name in node.names if not has(module, name.name)] == []


def has(module, name: str) -> bool:
    return hasattr(module, name) or find_spec(f"{module.__name__}.{name}") is not None
