"""Every figure that README.md and the pages of docs/ claim stands in a table, or in docs/claims.toml."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import tables

LISTED = tomllib.loads((tables.ROOT / "docs" / "claims.toml").read_text(encoding="utf-8"))
STRICT = ("README.md", "docs/benchmarks.md")  # here every figure with a decimal point is a claim
TUTORIAL = "docs/tutorial/"  # its own cells print what it says
FOUND = [
    "README.md",
    *sorted(page.relative_to(tables.ROOT).as_posix() for page in (tables.ROOT / "docs").rglob("*.md")),
]
PAGES = [page for page in FOUND if not page.startswith(TUTORIAL)]
NUMBER = r"\d[\d,]*(?:\.\d+)?"
UNIT = r"(?: ?%| times\b|x\b| points?\b| ms\b| [KM]B\b)"
WITH_UNIT = re.compile(rf"(?<![\w.\-,]){NUMBER}(?: (?:to|and|instead of) {NUMBER})?{UNIT}")
DECIMAL = re.compile(r"(?<![\w.\-,])\d[\d,]*\.\d+(?![\w.]*\.?\d)")
SKIPPED = re.compile(r"```.*?```|\$\$.*?\$\$|\$(?!\d)[^$\n]+\$", re.DOTALL)


def words_of(page: str) -> str:
    """The words of a page in one line: without code, formulas and tables that are kept."""
    text = (tables.ROOT / page).read_text(encoding="utf-8")
    return " ".join(SKIPPED.sub(" ", tables.MARKED.sub(" ", text)).split())


def claimed(page: str, text: str) -> list[tuple[int, int]]:
    """Where the figures of a page are."""
    found = [*WITH_UNIT.finditer(text), *(DECIMAL.finditer(text) if page in STRICT else ())]
    return [one.span() for one in found]


def listed(page: str) -> list[dict]:
    return [claim for claim in LISTED["claim"] if claim["page"] == page]


def numbers(text: str) -> list[str]:
    return [one.replace(",", "") for one in re.findall(NUMBER, text)]


def lines_of(section: tables.Section) -> list[str]:
    rows = [" | ".join(row) for table in section.tables for row in table.rows]
    return rows + [f"lines | {line}" for line in (*section.text, *(table.title for table in section.tables))]


PRINTED = {one for name in tables.names() for line in lines_of(tables.load(name)) for one in numbers(line)}


def in_a_table(figure: str) -> bool:
    """Whether a figure is a percentage that some table has, to the decimal."""
    return figure.endswith("%") and all("." in one and one in PRINTED for one in numbers(figure))


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_stands_in_a_table_or_in_the_list(page):
    text = words_of(page)
    known = [claim["text"] for claim in listed(page)] + LISTED["no_claims"]
    covered = [one.span() for words in known for one in re.finditer(re.escape(words), text)]
    loose = [
        text[max(0, start - 50) : end + 20]
        for start, end in claimed(page, text)
        if not any(begin <= start and end <= stop for begin, stop in covered)
        and (page in STRICT or not in_a_table(text[start:end]))
    ]
    assert loose == [], "say in docs/claims.toml where these come from"


@pytest.mark.parametrize("claim", LISTED["claim"], ids=lambda claim: f"{claim['page']}: {claim['text'][:50]}")
def test_a_claim_is_on_its_page_and_in_its_rows(claim):
    assert claim["text"] in words_of(claim["page"])
    assert "section" in claim or claim["how"]
    if "section" not in claim:
        return
    lines = lines_of(tables.load(claim["section"]))
    rows = {begin: [line for line in lines if f"{line} |".startswith(begin)] for begin in claim["rows"]}
    assert all(rows.values()), f"no row begins so: {rows}"
    if "how" not in claim:
        found = [one for some in rows.values() for line in some for one in numbers(line)]
        figures = {
            one for start, end in claimed("README.md", claim["text"]) for one in numbers(claim["text"][start:end])
        }
        figures -= {one for words in LISTED["no_claims"] if words in claim["text"] for one in numbers(words)}
        assert figures
        assert all(any(rounds(one, to=figure) for one in found) for figure in figures), (figures, found)


def rounds(number: str, *, to: str) -> bool:
    """Whether a printed number is the figure, or rounds to it."""
    digits = len(to.partition(".")[2])
    return abs(float(number) - float(to)) <= 0.5000001 * 10**-digits


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        pytest.param("it is 10.6 times a loop, 0.86 of it", ["10.6 times", "0.86"], id="times, and a share"),
        pytest.param("from 92.9 % to 98.0 %", ["92.9 %", "98.0 %"], id="percent"),
        pytest.param("22 to 576 times; 3.18x | 1,500 ms", ["22 to 576 times", "3.18x", "1,500 ms"], id="ranges"),
        pytest.param("torch 2.14.1, batch 8 of 224 px, --quality", [], id="versions and settings are none"),
    ],
)
def test_what_a_claim_is(text, figures):
    spans = sorted(set(claimed("README.md", text)))
    found = [text[start:end] for start, end in spans]
    assert [one for one in found if not any(one != other and one in other for other in found)] == figures
