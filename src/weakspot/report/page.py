"""Render a report as one HTML file."""

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
from weakspot.report.summaries import class_rows, histogram, leading_measure, percent_correct, worst_first
from weakspot.report.thumbnails import Thumbnails, data_uri, make_thumbnails

# Number of items per block of thumbnails; a browser parses a block when one of its items is shown.
BLOCK = 50
_WORKERS = 2
_COLORMAP_STEPS = 17
_SCRIPTS = ("regions.js", "threshold.js", "report.js")


def write_page(
    content: ReportData,
    path: Path,
    *,
    max_items: int = 5000,
    thumbnail_size: int = 192,
    advance: Callable[[], None] = lambda: None,
) -> list[Skipped]:
    """Write a report atomically.

    Args:
        content: Content of the report.
        path: The HTML file.
        max_items: Maximum number of items; the worst or most uncertain ones are shown.
        thumbnail_size: Longer side of thumbnails in pixels.
        advance: Called for each item.

    Returns:
        The images that could not be read. They are listed in the report, and shown as placeholders.

    Raises:
        InputError: If the file cannot be written.
    """
    items = worst_first(content.items)[:max_items]
    thumbnails = []
    with ThreadPoolExecutor(_WORKERS) as threads:
        make = partial(make_thumbnails, side=thumbnail_size)
        for result in ordered_map(make, items, threads, max_pending=8 * _WORKERS):
            thumbnails.append(result)
            advance()
    problems = {item.name: result.problem for item, result in zip(items, thumbnails, strict=True) if result.problem}
    missing = [Skipped(name, problem) for name, problem in problems.items()]
    with atomic_write(path) as file:
        file.write(page(content, items, thumbnails, missing).encode(errors="backslashreplace"))
    return missing


def page(
    content: ReportData, items: Sequence[ReportItem], thumbnails: Sequence[Thumbnails], missing: Sequence[Skipped]
) -> str:
    """Render a report.

    Args:
        content: Content of the report.
        items: The items in the order of the gallery.
        thumbnails: The thumbnails of each item.
        missing: Images that could not be read.
    """
    style, script = _asset("report.css"), "".join(map(_asset, _SCRIPTS))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    measure = leading_measure(content.items)
    return environment.from_string(_asset("report.html.j2")).render(
        content=content,
        shown=len(items),
        missing=missing,
        version=__version__,
        measure=measure,
        bars=histogram(content.items, measure),
        classes=class_rows(content.items),
        correct=percent_correct([item.iou for item in content.items if item.iou is not None]),
        charts=[(chart.title, data_uri(chart.svg, "image/svg+xml")) for chart in content.charts],
        heat=colormap_tables(),
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
        items=in_script([payload(item, result) for item, result in zip(items, thumbnails, strict=True)]),
        blocks=[in_script(block) for block in blocks(items, thumbnails)],
        has=_available(items, thumbnails),
        thresholds=sorted({cut[0] for cut in map(_cut, items, thumbnails) if cut}),
    )


def in_script(value: Any) -> Markup:
    r"""Encode a value as JSON that is safe within a script element, whatever strings it contains.

    Example:
        >>> print(in_script("</script><!-- & \u2028"))
        "\u003c/script\u003e\u003c!-- \u0026 \u2028"
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def policy(style: str, script: str) -> str:
    """Return the content security policy: only this style and this script, and no network request.

    Example:
        >>> policy("a{}", "1").split("; ")[0]
        "default-src 'none'"
    """
    style_hash, script_hash = (b64encode(sha256(text.encode()).digest()).decode() for text in (style, script))
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def blocks(items: Sequence[ReportItem], thumbnails: Sequence[Thumbnails]) -> Iterable[list[tuple[str | int, str, str]]]:
    """Return image, overlay and mask of each item in blocks; a repeated image is the index of its first item."""
    first: dict[str, int] = {}
    layers: list[tuple[str | int, str, str]] = []
    for i, (item, result) in enumerate(zip(items, thumbnails, strict=True)):
        index = first.setdefault(item.name, i)
        layers.append((result.image if index == i else index, result.overlay, result.mask))
    edges = [*range(0, len(layers), BLOCK), len(layers)]
    return (layers[start:end] for start, end in pairwise(edges))


def colormap_tables() -> dict[str, str]:
    """Return the color map of heatmaps (turbo) and its opacity as tables of an SVG filter, as in ``visualization``."""
    steps = [step / (_COLORMAP_STEPS - 1) for step in range(_COLORMAP_STEPS)]
    colors = colormaps["turbo"](steps)
    tables = {name: colors[:, channel].tolist() for channel, name in enumerate("rgb")}
    tables["a"] = [0.6 * step**0.5 for step in steps]
    return {name: " ".join(f"{value:.3f}" for value in values) for name, values in tables.items()}


def payload(item: ReportItem, thumbnails: Thumbnails) -> dict[str, Any]:
    """Return the data of an item for report.js, with short keys; unknown values are omitted."""
    height, width = thumbnails.frame
    values = {
        "n": item.name,
        "l": item.label,
        "w": width,
        "h": height,
        "b": [[round(side, 1) for side in box] for box in item.boxes],
        "t": [[round(side, 1) for side in box] for box in item.true_boxes],
        "s": item.score,
        "o": item.iou,
        "u": item.uncertainty,
        "f": dict(item.facts),
        "x": list(item.notes),
        "k": "plot" if thumbnails.overlay and item.heatmap is None else "",
        "c": _cut(item, thumbnails),
        "p": thumbnails.problem,
    }
    return {key: value for key, value in values.items() if value is not None and value not in ("", [], {})}


def _cut(item: ReportItem, thumbnails: Thumbnails) -> list[float]:
    """Return threshold, minimum area and minimum activation of an item whose heatmap is shown; otherwise none."""
    if item.heatmap is None or item.threshold is None or not thumbnails.overlay:
        return []
    return [item.threshold.threshold, item.threshold.min_area, item.threshold.min_activation]


def _available(items: Sequence[ReportItem], thumbnails: Sequence[Thumbnails]) -> dict[str, bool]:
    """Return which layers can be shown, and by which measures items can be filtered."""
    return {
        "overlay": any(result.overlay for result in thumbnails),
        "mask": any(result.mask for result in thumbnails),
        "boxes": any(item.boxes for item in items),
        "true_boxes": any(item.true_boxes for item in items),
        "score": any(item.score is not None for item in items),
        "iou": any(item.iou is not None for item in items),
        "uncertainty": any(item.uncertainty is not None for item in items),
        "split": any(item.threshold is not None and item.threshold.split for item in items),
    }


def _asset(name: str) -> str:
    return files("weakspot.report").joinpath(name).read_text(encoding="utf-8")
