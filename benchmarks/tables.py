"""The tables of docs/benchmarks.md: kept in benchmarks/results/NAME.json, printed by the commands that stand there.

A new section: put `<!-- table NAME 1 -->` and `<!-- end of table -->` around its table (2 for its second), then call
`python benchmarks/tables.py take NAME "COMMAND" ...`; or leave it empty, call `new NAME "COMMAND" ...`, and `run NAME`.

    python benchmarks/tables.py list
    python benchmarks/tables.py render                        results -> page
    python benchmarks/tables.py take NAME COMMAND [...]       page -> results, of tables that were pasted
    python benchmarks/tables.py new NAME COMMAND [...]        results without tables yet, to be run
    python benchmarks/tables.py run [NAME ...] [--data DIR]   commands -> results -> page; all of them take hours

The commands of a section run one after the other in an empty folder, where they leave their runs. IMAGENET-BOXES,
REALSPOT, BLOOD-CELLS and TILE-DEFECTS stand for folders in --data. What cannot be run here is said and left as it was.
Tables with the same title and header are put together; rows that two commands print alike stand once. "remarks" are
columns of words, which no command prints: they are kept by a row's first cell.
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
SETS = ("IMAGENET-BOXES", "REALSPOT", "BLOOD-CELLS", "TILE-DEFECTS")
MARKED = re.compile(r"(<!-- table ([a-z0-9-]+) (\d+) -->)(.*?)(<!-- end of table -->)", re.DOTALL)


@dataclass
class Table:
    """A table as it was printed.

    Attributes:
        title: The line above it, if that begins in bold.
        header: Its cells.
        rows: A list of cells each.
        remarks: Columns of words that were added: "header", and "of" with the first cell of a row.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    remarks: dict = field(default_factory=dict)

    def to_markdown(self) -> str:
        """The table as it stands on the page."""
        added = self.remarks.get("of", {})
        columns = self.header + self.remarks.get("header", [])
        empty = [""] * (len(columns) - len(self.header))
        lines = [columns, ["---"] * len(columns), *(row + added.get(row[0], empty) for row in self.rows)]
        start = 1 if self.title else 0
        return "\n".join([self.title, ""][: 2 * start] + [markdown_row(line) for line in lines])


@dataclass
class Section:
    """What is kept of a section.

    Attributes:
        name: Name of its file.
        commands: What printed the tables.
        tables: In the order in which they were printed.
        date: When they were printed, or last changed on the page.
        machine: Where, if that is known.
        text: The other lines that were printed.
    """

    name: str
    commands: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    date: str = ""
    machine: str = ""
    text: list[str] = field(default_factory=list)


def markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def parse(printed: str) -> tuple[list[Table], list[str]]:
    """Find the tables and the other lines in what a command has printed."""
    tables, text, inside = [], [], False
    for line in map(str.strip, printed.splitlines()):
        if not line.startswith("|"):
            text += [line] if line else []
        elif not inside:
            title = text.pop() if text and text[-1].startswith("**") else ""
            tables.append(Table(title, cells_of(line), []))
        elif not set(line) <= set("|-: "):
            tables[-1].rows.append(cells_of(line))
        inside = line.startswith("|")
    return tables, text


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def together(tables: Iterable[Table]) -> list[Table]:
    """Put tables with the same title and header together; rows that are alike stand once."""
    found: dict[tuple[str, ...], Table] = {}
    for table in tables:
        whole = found.setdefault((table.title, *table.header), Table(table.title, table.header, []))
        whole.rows += [row for row in table.rows if row not in whole.rows]
    return list(found.values())


def load(name: str) -> Section:
    """Read a section."""
    kept = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    tables = [Table(**table) for table in kept.pop("tables")]
    return Section(name, tables=tables, **kept)


def save(section: Section) -> None:
    """Write a section, a row a line; what is empty is left out."""
    kept = {name: value for name, value in vars(section).items() if value and name not in ("name", "tables")}
    tables = [
        {name: value for name, value in vars(table).items() if value or name == "title"} for table in section.tables
    ]
    text = json.dumps({**kept, "tables": tables}, indent=1, ensure_ascii=False)
    text = re.sub(r'\[\s+("[^\[\]]*")\s+\]', lambda one: "[" + re.sub(r"\n\s*", " ", one[1]) + "]", text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{section.name}.json").write_text(text + "\n", encoding="utf-8")


def names() -> list[str]:
    return sorted(file.stem for file in RESULTS.glob("*.json"))


def rendered(page: str) -> str:
    """The page with the tables that are kept; those that are not kept stay as they are."""

    def kept(found: re.Match[str]) -> str:
        begin, name, number, _, end = found.groups()
        tables = load(name).tables if name in names() else []
        if int(number) > len(tables):
            return found[0]
        over = [commands_of(load(name))] if number == "1" else []
        return "\n\n".join([begin, *over, tables[int(number) - 1].to_markdown(), end])

    return MARKED.sub(kept, page)


def commands_of(section: Section) -> str:
    """The commands as they stand over the first table."""
    folded = (wrap(f"$ {one}", 110, break_long_words=False, break_on_hyphens=False) for one in section.commands)
    return "\n".join(["```console", *(" \\\n    ".join(lines) for lines in folded), "```"])


def render() -> None:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def taken(name: str, commands: list[str]) -> Section:
    """The tables of a section as they stand on the page."""
    marked = [found for found in MARKED.findall(PAGE.read_text(encoding="utf-8")) if found[1] == name]
    if not marked:
        sys.exit(f"{PAGE.name} has no table {name}.\nPut <!-- table {name} 1 --> and <!-- end of table --> around it.")
    tables = [parse(found[3])[0][0] for found in sorted(marked, key=lambda found: int(found[2]))]
    return Section(name, commands, tables, date=today())


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


def words_of(command: str, data: Path) -> list[str]:
    """A command's words, with this interpreter, the script where it is, and the folders of data sets."""
    program, *words = (placed(word, data) for word in shlex.split(command))
    if program == "weakspot":
        return [sys.executable, "-m", "weakspot", *words]
    return [sys.executable, str(ROOT / words[0]), *words[1:]]


def placed(word: str, data: Path) -> str:
    """The folder of a data set; another word as it is."""
    name, slash, rest = word.partition("/")
    return f"{data / name.lower()}{slash}{rest}" if name in SETS else word


def missing(section: Section, data: Path) -> list[str]:
    """What a section needs and is not here."""
    named = {word.partition("/")[0] for command in section.commands for word in shlex.split(command)}
    return [str(data / name.lower()) for name in SETS if name in named and not (data / name.lower()).is_dir()]


def refreshed(section: Section, data: Path) -> Section:
    """Run a section's commands; its tables anew, with the remarks that they had.

    Raises:
        CalledProcessError: If a command fails.
    """
    tables, text = [], []
    with TemporaryDirectory() as folder:
        for command in section.commands:
            print(f"$ {command}", file=sys.stderr, flush=True)
            done = subprocess.run(words_of(command, data), cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
            found, said = parse(done.stdout)
            tables += found
            text += [line for line in said if not any(str(place) in line for place in (data, folder))]
    whole = together(tables)
    for old, new in zip(section.tables, whole, strict=False):
        new.remarks = old.remarks
    return Section(section.name, section.commands, whole, date=today(), machine=machine(), text=text)


def run(chosen: Sequence[str], data: Path) -> int:
    """Run sections one after the other; how many could not be run."""
    if unknown := set(chosen) - set(names()):
        sys.exit(f"There is no section {', '.join(sorted(unknown))}.\nTake one of {', '.join(names())}.")
    left = 0
    for section in map(load, chosen):
        lacking = missing(section, data)
        if lacking:
            print(f"{section.name}: not run, {', '.join(lacking)} is missing, see --data", file=sys.stderr)
            left += 1
            continue
        try:
            save(refreshed(section, data))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{section.name}: failed and left as it was: {error}", file=sys.stderr)
            left += 1
    render()
    return left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    ways.add_parser("list")
    ways.add_parser("render")
    for way in ("take", "new"):
        making = ways.add_parser(way)
        making.add_argument("name")
        making.add_argument("commands", nargs="+")
    running = ways.add_parser("run")
    running.add_argument("names", nargs="*")
    running.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    if options.way == "list":
        for section in map(load, names()):
            print(f"{section.name} ({section.date}): {'; '.join(section.commands)}")
    elif options.way == "run":
        sys.exit(min(run(options.names or names(), options.data.resolve()), 1))
    elif options.way in ("take", "new"):
        made = (
            taken(options.name, options.commands) if options.way == "take" else Section(options.name, options.commands)
        )
        save(made)
    render()


if __name__ == "__main__":
    main()
