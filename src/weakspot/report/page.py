"""ReportData -> one HTML file."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib import colormaps

from weakspot.concurrency import ordered_map
from weakspot.config import __version__
from weakspot.io.atomic import atomic_write
from weakspot.report.content import ReportData, ReportItem, Skipped
from weakspot.report.summaries import class_rows, histogram, leading_measure, right_share, worst_first
from weakspot.report.thumbnails import Thumbnails, data_uri, make_thumbnails

# Thumbnails lie in blocks of so many items, and a browser reads a block when one of them is shown.
BLOCK = 50
_WORKERS = 2
_HEAT_STEPS = 17


def write_page(
    content: ReportData, path: Path, *, most: int = 5000, side: int = 192, advance: Callable[[], None] = lambda: None
) -> list[Skipped]:
    """Write a report, by way of a temporary name.

    Args:
        content: What it shows.
        path: The HTML file.
        most: At most that many items, the worst or most doubtful ones.
        side: Longer side of thumbnails in pixels.
        advance: Called for each item.

    Returns:
        The photos that could not be read. They are listed in the report, and shown as placeholders.

    Raises:
        InputError: If the file cannot be written.
    """
    shown = worst_first(content.items)[:most]
    made = []
    with ThreadPoolExecutor(_WORKERS) as threads:
        for one in ordered_map(partial(make_thumbnails, side=side), shown, threads, max_pending=8 * _WORKERS):
            made.append(one)
            advance()
    unread = {item.name: one.problem for item, one in zip(shown, made, strict=True) if one.problem}
    missing = [Skipped(name, problem) for name, problem in unread.items()]
    with atomic_write(path) as file:
        file.write(page(content, shown, made, missing).encode(errors="backslashreplace"))
    return missing


def page(
    content: ReportData, shown: Sequence[ReportItem], made: Sequence[Thumbnails], missing: Sequence[Skipped]
) -> str:
    """Render a report.

    Args:
        content: What it shows.
        shown: Its items in the order of the gallery.
        made: The pictures of each.
        missing: Photos that could not be read.
    """
    style, script = _asset("report.css"), _asset("report.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    measure = leading_measure(content.items)
    return environment.from_string(_asset("report.html.j2")).render(
        content=content,
        shown=len(shown),
        missing=missing,
        version=__version__,
        measure=measure,
        bars=histogram(content.items, measure),
        classes=class_rows(content.items),
        right=right_share([item.overlap for item in content.items if item.overlap is not None]),
        charts=[(chart.title, data_uri(chart.svg, "image/svg+xml")) for chart in content.charts],
        heat=heat_tables(),
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
        items=in_script([_told(item, one) for item, one in zip(shown, made, strict=True)]),
        blocks=[in_script(block) for block in blocks(shown, made)],
        has=_layers(shown, made),
    )


def in_script(value: Any) -> Markup:
    r"""Write a value as JSON that can stand in a script element, whatever texts it holds.

    Example:
        >>> print(in_script("</script><!-- & \u2028"))
        "\u003c/script\u003e\u003c!-- \u0026 \u2028"
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def policy(style: str, script: str) -> str:
    """Give the content security policy: this style and this script alone, and no request to anywhere.

    Example:
        >>> policy("a{}", "1").split("; ")[0]
        "default-src 'none'"
    """
    style_hash, script_hash = (b64encode(sha256(text.encode()).digest()).decode() for text in (style, script))
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def blocks(items: Sequence[ReportItem], made: Sequence[Thumbnails]) -> Iterable[list[tuple[str | int, str, str]]]:
    """Give photo, overlay and mask of each item in blocks; a photo that was there before is told by its place."""
    first: dict[str, int] = {}
    told: list[tuple[str | int, str, str]] = []
    for place, (item, one) in enumerate(zip(items, made, strict=True)):
        known = first.setdefault(item.name, place)
        told.append((one.photo if known == place else known, one.overlay, one.mask))
    edges = [*range(0, len(told), BLOCK), len(told)]
    return (told[start:end] for start, end in pairwise(edges))


def heat_tables() -> dict[str, str]:
    """Give the colours of heatmaps (turbo) and their opacity as tables of an SVG filter, as ``drawing`` lays them."""
    steps = [step / (_HEAT_STEPS - 1) for step in range(_HEAT_STEPS)]
    colours = colormaps["turbo"](steps)
    tables = {name: colours[:, channel].tolist() for channel, name in enumerate("rgb")}
    tables["a"] = [0.6 * step**0.5 for step in steps]
    return {name: " ".join(f"{value:.3f}" for value in values) for name, values in tables.items()}


def _told(item: ReportItem, one: Thumbnails) -> dict[str, Any]:
    """What the gallery needs to know of an item; what is unknown is left out."""
    height, width = one.frame
    told = {
        "n": item.name,
        "l": item.label,
        "w": width,
        "h": height,
        "b": [[round(side, 1) for side in box] for box in item.boxes],
        "t": [[round(side, 1) for side in box] for box in item.truths],
        "s": item.score,
        "o": item.overlap,
        "d": item.doubt,
        "f": dict(item.facts),
        "x": list(item.notes),
        "k": "picture" if one.overlay and item.heatmap is None else "",
        "p": one.problem,
    }
    return {key: value for key, value in told.items() if value is not None and value not in ("", [], {})}


def _layers(shown: Sequence[ReportItem], made: Sequence[Thumbnails]) -> dict[str, bool]:
    """Which layers there are to switch on, and which measures to filter by."""
    return {
        "overlay": any(one.overlay for one in made),
        "mask": any(one.mask for one in made),
        "boxes": any(item.boxes for item in shown),
        "truths": any(item.truths for item in shown),
        "score": any(item.score is not None for item in shown),
        "overlap": any(item.overlap is not None for item in shown),
        "doubt": any(item.doubt is not None for item in shown),
    }


def _asset(name: str) -> str:
    return files("weakspot.report").joinpath(name).read_text(encoding="utf-8")
