"""Run the benchmarks of docs/benchmarks.md and update its tables, which are stored in benchmarks/results/NAME.json.

To add a section, put `<!-- table NAME 1 -->` and `<!-- end of table -->` into the page (2 for its second table), then
call `new NAME "COMMAND" ...` and `run NAME`.

    python benchmarks/tables.py list
    python benchmarks/tables.py render                        results -> page
    python benchmarks/tables.py new NAME COMMAND [...]        add results without tables
    python benchmarks/tables.py run [NAME ...] [--data DIR]   commands -> results -> page; all of them need hours

The commands of a section run one after the other in an empty folder. IMAGENET-BOXES, REALSPOT, BLOOD-CELLS and
TILE-DEFECTS are replaced by folders in --data. A section that cannot be run is reported and keeps its results. Tables
with the same title and header are merged, and repeated rows dropped. "remarks" are columns of text that no command
prints; they are matched by the first cell of a row.
"""

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "benchmarks.md", ROOT / "benchmarks" / "results"
DATASETS = (
    "IMAGENET-BOXES",
    "REALSPOT",
    "BLOOD-CELLS",
    "TILE-DEFECTS",
    "TILE-DEFECTS-NORMAL",
    "BLOOD-PLATELETS",
    "MULTI-DEV",
)
MARKED = re.compile(r"(<!-- table ([a-z0-9-]+) (\d+) -->)(.*?)(<!-- end of table -->)", re.DOTALL)


@dataclass
class Table:
    """A printed table.

    Attributes:
        title: The line above the table, if it starts in bold.
        header: Cells of the header.
        rows: Cells of each row.
        remarks: Added columns of text: "header", and "of" with the cells by the first cell of a row.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    remarks: dict = field(default_factory=dict)

    def to_markdown(self) -> str:
        """Return the table as shown on the page."""
        remarks = self.remarks.get("of", {})
        columns = self.header + self.remarks.get("header", [])
        empty = [""] * (len(columns) - len(self.header))
        lines = [columns, ["---"] * len(columns), *(row + remarks.get(row[0], empty) for row in self.rows)]
        title = [self.title, ""] if self.title else []
        return "\n".join(title + ["| " + " | ".join(line) + " |" for line in lines])


@dataclass
class Section:
    """Results of a section of the page.

    Attributes:
        name: Name of its file.
        commands: The commands that print the tables.
        tables: The tables in printed order.
        date: Date of the run, or of the last change.
        machine: Machine of the run, if known.
        text: The other lines that were printed.
    """

    name: str
    commands: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    date: str = ""
    machine: str = ""
    text: list[str] = field(default_factory=list)


def parse(output: str) -> tuple[list[Table], list[str]]:
    """Split the output of a command into tables and other lines."""
    tables, text, in_table = [], [], False
    for line in map(str.strip, output.splitlines()):
        if not line.startswith("|"):
            text += [line] if line else []
        elif not in_table:
            title = text.pop() if text and text[-1].startswith("**") else ""
            tables.append(Table(title, split_cells(line), []))
        elif not set(line) <= set("|-: "):
            tables[-1].rows.append(split_cells(line))
        in_table = line.startswith("|")
    return tables, text


def split_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def merge(tables: Iterable[Table]) -> list[Table]:
    """Merge tables with the same title and header, and drop repeated rows."""
    merged: dict[tuple[str, ...], Table] = {}
    for table in tables:
        target = merged.setdefault((table.title, *table.header), Table(table.title, table.header, []))
        target.rows += [row for row in table.rows if row not in target.rows]
    return list(merged.values())


def load(name: str) -> Section:
    """Read the results of a section."""
    content = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    tables = [Table(**table) for table in content.pop("tables")]
    return Section(name, tables=tables, **content)


def save(section: Section) -> None:
    """Write the results of a section, one row per line, without empty values."""
    content = {name: value for name, value in vars(section).items() if value and name not in ("name", "tables")}
    tables = [
        {name: value for name, value in vars(table).items() if value or name == "title"} for table in section.tables
    ]
    text = json.dumps({**content, "tables": tables}, indent=1, ensure_ascii=False)
    text = re.sub(r'\[\s+("[^\[\]]*")\s+\]', lambda match: "[" + re.sub(r"\n\s*", " ", match[1]) + "]", text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{section.name}.json").write_text(text + "\n", encoding="utf-8")


def names() -> list[str]:
    return sorted(file.stem for file in RESULTS.glob("*.json"))


def rendered(page: str) -> str:
    """Return the page with the tables of the results; markers without results keep their content."""

    def replacement(match: re.Match[str]) -> str:
        begin, name, number, _, end = match.groups()
        tables = load(name).tables if name in names() else []
        if int(number) > len(tables):
            return match[0]
        commands = [console_block(load(name).commands)] if number == "1" else []
        return "\n\n".join([begin, *commands, tables[int(number) - 1].to_markdown(), end])

    return MARKED.sub(replacement, page)


def console_block(commands: Sequence[str]) -> str:
    """Return commands as the code block above the first table of a section."""
    wrapped = (wrap(f"$ {command}", 110, break_long_words=False, break_on_hyphens=False) for command in commands)
    return "\n".join(["```console", *(" \\\n    ".join(lines) for lines in wrapped), "```"])


def render() -> None:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


def arguments(command: str, data: Path) -> list[str]:
    """Return the arguments of a command with this interpreter, absolute scripts and folders of data sets."""
    program, *words = (expand(word, data) for word in shlex.split(command))
    if program == "weakspot":
        return [sys.executable, "-m", "weakspot", *words]
    return [sys.executable, str(ROOT / words[0]), *words[1:]]


def expand(word: str, data: Path) -> str:
    """Replace the name of a data set by its folder."""
    name, slash, rest = word.partition("/")
    return f"{data / name.lower()}{slash}{rest}" if name in DATASETS else word


def missing_data(section: Section, data: Path) -> list[str]:
    """List the data sets of a section that do not exist."""
    words = {word.partition("/")[0] for command in section.commands for word in shlex.split(command)}
    return [str(data / name.lower()) for name in DATASETS if name in words and not (data / name.lower()).is_dir()]


def run_section(section: Section, data: Path) -> Section:
    """Run the commands of a section, and return its new tables with the old remarks.

    Raises:
        CalledProcessError: If a command fails.
    """
    tables, text = [], []
    with TemporaryDirectory() as folder:
        for command in section.commands:
            print(f"$ {command}", file=sys.stderr, flush=True)
            result = subprocess.run(arguments(command, data), cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
            new_tables, lines = parse(result.stdout)
            tables += new_tables
            text += [line for line in lines if not any(str(path) in line for path in (data, folder))]
    merged = merge(tables)
    for old, new in zip(section.tables, merged, strict=False):
        new.remarks = old.remarks
    date = datetime.now(UTC).date().isoformat()
    return Section(section.name, section.commands, merged, date=date, machine=machine(), text=text)


def run(section_names: Sequence[str], data: Path) -> int:
    """Run sections one after the other, and return how many could not be run."""
    if unknown := set(section_names) - set(names()):
        sys.exit(f"Unknown section {', '.join(sorted(unknown))}. Sections: {', '.join(names())}.")
    failures = 0
    for section in map(load, section_names):
        if missing := missing_data(section, data):
            print(f"{section.name}: not run, {', '.join(missing)} does not exist, see --data", file=sys.stderr)
            failures += 1
            continue
        try:
            save(run_section(section, data))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{section.name}: failed, results unchanged: {error}", file=sys.stderr)
            failures += 1
    render()
    return failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("render")
    new = commands.add_parser("new")
    new.add_argument("name")
    new.add_argument("commands", nargs="+")
    run_parser = commands.add_parser("run")
    run_parser.add_argument("names", nargs="*")
    run_parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    if options.command == "list":
        for section in map(load, names()):
            print(f"{section.name} ({section.date}): {'; '.join(section.commands)}")
    elif options.command == "run":
        sys.exit(min(run(options.names or names(), options.data.resolve()), 1))
    elif options.command == "new":
        save(Section(options.name, options.commands))
    render()


if __name__ == "__main__":
    main()
