"""The pages of the documentation hold what they promise, without building the site: make docs does that."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

import weakspot
from weakspot import cams, data, labels, metrics, ops
from weakspot.models.networks import AUGMENTATIONS, HEADS
from weakspot.ops import refinement, uncertainty

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ELSEWHERE = re.compile(r"([a-z]+:)?//|mailto:", re.IGNORECASE)
LOADS = re.compile(r"<(script|img|iframe|link|source|video|object|embed)\b", re.IGNORECASE)


def addresses(page, kinds):
    """Where the links and pictures of a page lead."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        for child in token.children or ():
            if child.type in kinds:
                yield child.attrs.get("href") or child.attrs.get("src")


def documented(page):
    """The last names of what a page of the reference shows."""
    identifiers = re.findall(r"^::: ([\w.]+)$", (DOCS / "api" / f"{page}.md").read_text(), re.MULTILINE)
    return [identifier.rpartition(".")[2] for identifier in identifiers]


def files_of(nav):
    """The pages of a navigation, however deep."""
    for entry in nav:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else files_of(value)


@pytest.mark.parametrize(
    "module", [cams, data, uncertainty, labels, metrics, ops, refinement], ids=lambda one: one.__name__
)
def test_every_public_name_of_a_module_is_in_the_reference(module):
    page = module.__name__.rpartition(".")[2]
    assert sorted(documented(page)) == sorted(module.__all__)


def test_every_public_name_is_in_the_reference():
    with_own_page = {path.stem for path in (DOCS / "api").glob("*.md")}
    assert set(weakspot.__all__) <= {*documented("weakspot"), *documented("errors"), *with_own_page}
    assert documented("training") == ["TrainOptions"]


def test_every_method_has_its_place():
    text = (DOCS / "methods.md").read_text()
    assert [name for name in cams.METHODS if f"`{name}`" not in text] == []


def test_every_training_method_has_its_place():
    found = re.findall(r"^## .*\{ #(\w+) \}$", (DOCS / "training-methods.md").read_text(), re.MULTILINE)
    assert sorted(found) == sorted([*HEADS, *AUGMENTATIONS, "adl"])


def test_every_page_is_in_the_navigation_and_there():
    files = list(files_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(files) == [path.relative_to(DOCS).as_posix() for path in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_and_pictures_are_there_and_pictures_here(page):
    pictures = list(addresses(page, ("image",)))
    assert [one for one in pictures if ELSEWHERE.match(one)] == []
    links = [one.partition("#")[0] for one in addresses(page, ("link_open",)) if not ELSEWHERE.match(one)]
    assert [one for one in (*pictures, *links) if one and not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_pages_have_no_tags_that_load(page):
    raw = [token.content for token in MarkdownIt().parse(page.read_text()) if token.type == "html_block"]
    assert [text for text in raw if LOADS.search(text)] == []


def test_the_build_loads_its_own_files_only():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    files = [*config["extra"]["polyfills"], *config["extra_css"], config["theme"]["favicon"]]
    assert [file for file in files if not (DOCS / file).is_file()] == []
    assert config["theme"]["font"] is False
    assert "extra_javascript" not in config


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<a href="https://a.org">a link is for the reader</a>', []),
        ('<link rel="canonical" href="https://a.org">', []),
        ('<img src="images/a.jpg"><script src="../a.js"></script>', []),
        ('<img src="https://a.org/a.png">', ["https://a.org/a.png"]),
        ('<script src="//a.org/a.js"></script>', ["//a.org/a.js"]),
        ('<link rel="stylesheet" href="HTTP://a.org/a.css">', ["HTTP://a.org/a.css"]),
        ('<pre class="mermaid"><code>graph</code></pre>', ["mermaid"]),
        ("<style>@import 'https://a.org/a.css';</style>", ["@import 'https://a.org/a.css"]),
        ('<p style="background: url(//a.org/a.png)">', ["url(//a.org/a.png"]),
    ],
)
def test_the_build_sees_what_would_be_loaded_from_elsewhere(html, found):
    spec = importlib.util.spec_from_file_location("no_other_host", DOCS / "hooks" / "no_other_host.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    assert hook.loaded_by_html(html) == found
