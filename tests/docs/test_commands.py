"""Every block of README.md and docs runs, in a folder such as its reader has."""

import contextlib
import shutil
from pathlib import Path

import pytest
from checking_commands import check
from documented import (
    BEGIN_WITH_A_RUN,
    ENVIRONMENT,
    LEFT_OUT,
    NOT_RUN,
    OTHER_TAGS,
    QUICK,
    SERVICE,
    SUBSTITUTES,
    UNTAGGED,
    substituted,
    why_not_run,
)
from page_blocks import ROOT, Block, blocks_of, commands_of, pages, spans_of
from readers_folder import write_folder, write_run
from running_commands import run
from services import serving
from shell_words import steps_of

import weakspot as ws

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in pages(tuple(LEFT_OUT))}
BLOCKS = {page: blocks_of(page, text) for page, text in TEXTS.items()}
SHELLS, PYTHON = ("console", "bash", "sh"), "python"
WITH_CODE = [page for page, blocks in BLOCKS.items() if any(one.tag in (*SHELLS, PYTHON) for one in blocks)]
# Pages whose commands take ten seconds or more.
SLOW = [f"docs/how-to/{name}.md" for name in ("engineer", "operator", "practitioner", "researcher")]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def service():
    with serving(ws.Localizer(backend="torch", quality="plain")) as live:
        yield live.url


TRAIN = f"weakspot train images/ {QUICK} --output runs/birds"


@pytest.fixture(scope="session")
def trained(prepared):
    """The run of the command that most pages begin with, trained once."""
    with contextlib.chdir(prepared):
        run(steps_of(TRAIN)[0])
    return prepared / "runs"


@pytest.fixture
def folder(request, prepared, tmp_path, monkeypatch):
    """A copy of the reader's folder, and the working folder of a page."""
    folder, page = tmp_path / "folder", request.getfixturevalue("page")
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("runs"))
    if page in BEGIN_WITH_A_RUN:
        write_run(folder / BEGIN_WITH_A_RUN[page])
    for name, value in (ENVIRONMENT | {"WEAKSPOT_CACHE": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.exhaustive] * (page in SLOW)) for page in WITH_CODE]
)
def test_blocks_run(page, folder, trained, request):
    address = request.getfixturevalue("service") if SERVICE in TEXTS[page] else SERVICE
    names: dict = {}
    for block in BLOCKS[page]:
        if block.tag in SHELLS:
            for line in commands_of(block):
                run_line(block, line, address, trained)
        elif block.tag == PYTHON:
            run_python(block, address, names)


def run_line(block: Block, line: str, address: str, trained: Path) -> None:
    reason = why_not_run(block.page, line)
    command = substituted(block.page, line)
    print(f"{block.place}: {'checked' if reason else 'run'}: {command}")
    try:
        if reason or command != line:
            for step in steps_of(line):
                check(step.words)
        if command.partition("  ")[0] == TRAIN:
            shutil.copytree(trained, "runs", symlinks=True)
            return
        for step in [] if reason else steps_of(command.replace(SERVICE, address)):
            run(step)
    except (Exception, SystemExit) as error:
        raise AssertionError(f"{block.place}: {command}") from error


def run_python(block: Block, address: str, names: dict) -> None:
    reason = why_not_run(block.page, block.text)
    code = block.text if reason else substituted(block.page, block.text).replace(SERVICE, address)
    print(f"{block.place}: {'compiled' if reason else 'run'}: Python")
    compiled = compile("\n" * block.line + code, str(ROOT / block.page), "exec")
    if not reason:
        exec(compiled, names)


@pytest.mark.parametrize("page", BLOCKS)
def test_every_block_has_a_known_language(page):
    for block in BLOCKS[page]:
        known = block.tag in (*SHELLS, PYTHON, *OTHER_TAGS) or (not block.tag and page in UNTAGGED)
        assert known, f"{block.place} has the language {block.tag!r}: run it, or list it in documented.py."
        read = OTHER_TAGS.get(block.tag)
        if read:
            read(block.text)
        assert block.tag not in SHELLS or commands_of(block), f"{block.place} has no command."


@pytest.mark.parametrize("page", BLOCKS)
def test_commands_in_the_text_parse(page):
    for span in spans_of(page, TEXTS[page]):
        try:
            check(steps_of(span.text)[0].words)
        except (Exception, SystemExit) as error:
            raise AssertionError(f"{span.place}: {span.text}") from error


def code_of(page: str) -> list[str]:
    """Command lines and Python blocks, as the tables of documented.py have them."""
    blocks = [one for one in BLOCKS[page] if one.tag in (*SHELLS, PYTHON)]
    return [text for one in blocks for text in ([one.text] if one.tag == PYTHON else commands_of(one))]


@pytest.mark.parametrize("entry", [*SUBSTITUTES, *NOT_RUN], ids=lambda entry: entry[0])
def test_every_entry_matches_a_block(entry):
    texts = [(page, text) for page in BLOCKS for text in code_of(page)]
    assert any(entry.matches(*one) for one in texts), "No block matches: remove the entry from documented.py."
    assert entry.reason


@pytest.mark.parametrize("page", [*UNTAGGED, *BEGIN_WITH_A_RUN])
def test_every_listed_page_exists(page):
    assert page in BLOCKS
    assert page not in UNTAGGED or any(not one.tag for one in BLOCKS[page])
    assert Path(ROOT, page).is_file()
