"""Fail the build if a page of the site would load anything from another host.

Scripts are those of the theme and our own. The theme loads a library for pages with Mermaid diagrams.
"""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

# Attributes whose address a browser loads by itself, unlike that of a link.
_LOADED = ("src", "srcset", "data", "poster", "background")
_LINKS_THAT_LOAD = ("stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload", "manifest")
_ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//[^)"'\s]*""", re.IGNORECASE)


def on_post_build(config: Any, **_: Any) -> None:
    """Check all pages and style sheets."""
    site = Path(config["site_dir"])
    found = [f"{path.relative_to(site)}: {address}" for path in sorted(site.rglob("*")) for address in loaded(path)]
    if found:
        from mkdocs.exceptions import PluginError

        raise PluginError("The site would load from other hosts:\n" + "\n".join(found))


def loaded(path: Path) -> list[str]:
    """Return the addresses on other hosts that a page or style sheet loads."""
    if path.suffix == ".html":
        return loaded_by_html(path.read_text(encoding="utf-8"))
    return _IN_CSS.findall(path.read_text(encoding="utf-8")) if path.suffix in (".css", ".svg") else []


def loaded_by_html(text: str) -> list[str]:
    """Return the addresses on other hosts that HTML loads.

    Example:
        >>> loaded_by_html('<a href="https://a.org">a</a><img src="https://b.org/b.png"><p style="color: red">')
        ['https://b.org/b.png']
    """
    reader = _Reader()
    reader.feed(text)
    return reader.found + _IN_CSS.findall(text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        names = list(_LOADED)
        if tag == "link" and set(values.get("rel", "").split()) & set(_LINKS_THAT_LOAD):
            names.append("href")
        if "mermaid" in values.get("class", "").split():
            self.found.append("mermaid")
        self.found += [values[name] for name in names if _ELSEWHERE.match(values.get(name, ""))]
