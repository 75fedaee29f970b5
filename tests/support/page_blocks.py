"""The fenced blocks of a page, and the commands of its running text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^ *(```+|~~~+)", re.MULTILINE)
COMMAND = re.compile(r"(weakspot|python|make|pip|docker|torchrun) \S")
PROMPT = re.compile(r"^[\w-]*\$ ")
CONTINUED = re.compile(r"\\\n\s*")
COMMENT = re.compile(r"(^|\s+)#.*", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What a page shows: ``tag`` is the language, ``line`` that of the opening fence."""

    page: str
    line: int
    tag: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages(left_out: tuple[str, ...]) -> list[str]:
    """README.md and what is below docs, by name."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [name for name in names if not name.startswith(left_out)]


def blocks_of(page: str, text: str) -> list[Block]:
    """All fenced blocks of a page in their order, also those that stand indented below a tab or a note."""
    found = list(_blocks(Block(page, 0, "", text)))
    fences = len(FENCE.findall(text))
    assert fences == 2 * len(found), f"{page} has {fences} fences, which are no {len(found)} blocks."
    return found


def _blocks(around: Block) -> Iterator[Block]:
    for token in MarkdownIt().parse(around.text):
        if token.type not in ("fence", "code_block") or token.map is None:
            continue
        tag = (token.info.split() or [""])[0]
        inside = Block(around.page, around.line + token.map[0] + 1, tag, token.content)
        if token.type == "fence":
            yield inside
        else:
            yield from _blocks(replace(inside, line=inside.line - 1))


def spans_of(page: str, text: str) -> list[Block]:
    """The commands that stand between backticks in the running text, as blocks of one line."""
    lines = [token for token in MarkdownIt("commonmark").enable("table").parse(text) if token.type == "inline"]
    spans = [(line, child) for line in lines for child in line.children or () if child.type == "code_inline"]
    return [
        Block(page, line.map[0] + 1 if line.map else 0, "span", span.content)
        for line, span in spans
        if COMMAND.match(span.content)
    ]


def commands_of(block: Block) -> list[str]:
    """The command lines of a console (behind a prompt; the rest is what is printed) or shell block, a string each."""
    lines = COMMENT.sub("", CONTINUED.sub("", block.text)).splitlines()
    if block.tag == "console":
        return [PROMPT.sub("", line) for line in lines if PROMPT.match(line)]
    return [line for line in lines if line.strip()]
