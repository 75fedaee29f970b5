"""HTML of the results; all external text is escaped here."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from PIL import Image

from weakspot.errors import WeakspotError
from weakspot.inference.localization import Localization
from weakspot.serving.web.drawing import class_color, draw_classes
from weakspot.serving.web.examples import data_url

# Localizations by method, one per class.
Results = Mapping[str, Sequence[Localization]]

METHOD_NAMES = {
    "cam": "CAM",
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "layercam": "LayerCAM",
    "xgradcam": "XGrad-CAM",
    "hirescam": "HiResCAM",
    "scorecam": "Score-CAM",
    "ablationcam": "Ablation-CAM",
    "eigencam": "Eigen-CAM",
    "guided_gradcam": "Guided Grad-CAM",
    "counterfactual": "Counterfactual",
    "acol": "ACoL",
    "acol_a": "ACoL A",
    "acol_b": "ACoL B",
    "ts_cam": "TS-CAM",
    "psol": "PSOL",
}
WELCOME = (
    '<div class="ws-empty"><p>Drop an image anywhere on this page, paste one, or try an example.</p>'
    "<p>The image with its boxes appears here.</p></div>"
)
NO_SELECTION = '<div class="ws-empty"><p>Select at least one method and one class.</p></div>'


def method_name(method: str) -> str:
    """Return the display name of a method, or its own name if it has none."""
    return METHOD_NAMES.get(method, method)


def percent(score: float) -> str:
    """Format a probability, such as ``43 %`` or ``< 1 %``."""
    return "< 1 %" if 0 < score < 0.005 else f"{100 * score:.0f} %"


def error_html(error: WeakspotError) -> str:
    """Format an error: its problem, and its hint on a second line."""
    return "<br>".join(escape(line) for line in (error.problem, error.hint) if line)


def results_html(image: Image.Image, results: Results, opacity: float) -> str:
    """Format images side by side, one per method, followed by a legend of the colors and a table of the boxes."""
    results = {method: classes for method, classes in results.items() if classes}
    if not results:
        return NO_SELECTION
    figures = "".join(_figure(method, image, classes, opacity) for method, classes in results.items())
    many = " ws-many" if len(results) > 1 else ""
    legend = _legend(next(iter(results.values())))
    return f'<div class="ws-images{many}">{figures}</div>{legend}{_notes(results)}{_table(results)}'


def _figure(method: str, image: Image.Image, classes: Sequence[Localization], opacity: float) -> str:
    name = method_name(method)
    alt = f"{name}: {', '.join(localization.label for localization in classes)}"
    source = data_url(draw_classes(image, classes, opacity=opacity))
    return (
        f'<figure><img src="{source}" alt="{escape(alt)}" width="{image.width}" height="{image.height}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )


def _dot(position: int) -> str:
    return f'<i style="background:{class_color(position)}"></i>'


def _legend(classes: Sequence[Localization]) -> str:
    items = "".join(
        f"<li>{_dot(i)}{escape(localization.label)} <b>{percent(localization.score)}</b></li>"
        for i, localization in enumerate(classes)
    )
    return f'<ul class="ws-legend">{items}</ul>'


def _notes(results: Results) -> str:
    """Format the distinct notes of all localizations."""
    notes = dict.fromkeys(
        f"{localization.label}: {note}"
        for group in results.values()
        for localization in group
        for note in localization.notes
    )
    return "".join(f'<p class="ws-note">{escape(note)}</p>' for note in notes)


def _table(results: Results) -> str:
    rows = "".join(row for method, classes in results.items() for row in _rows(method, classes))
    heads = "".join(f"<th>{head}</th>" for head in ("Class", "Probability", "Method", "x1", "y1", "x2", "y2"))
    caption = "<caption>Boxes in image pixels</caption>"
    return f'<div class="ws-table"><table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _rows(method: str, classes: Sequence[Localization]) -> Iterator[str]:
    for i, localization in enumerate(classes):
        texts = (_dot(i) + escape(localization.label), percent(localization.score), escape(method_name(method)))
        cells = "".join(f"<td>{text}</td>" for text in texts)
        for box in localization.boxes.tolist():
            yield f"<tr>{cells}{''.join(f'<td>{coordinate:.0f}</td>' for coordinate in box)}</tr>"
