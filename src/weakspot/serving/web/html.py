"""What is shown as HTML; every word that comes from outside is escaped here."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from PIL import Image

from weakspot.errors import WeakspotError
from weakspot.inference.localization import Localization
from weakspot.serving.web.drawing import colour_of, draw_classes
from weakspot.serving.web.examples import data_url

Found = Mapping[str, Sequence[Localization]]

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
    '<div class="ws-empty"><p>Drop a photo anywhere on this page, paste one, or try an example.</p>'
    "<p>The picture with its boxes appears here.</p></div>"
)
NOTHING_CHOSEN = '<div class="ws-empty"><p>Choose at least one method and one class.</p></div>'


def method_name(method: str) -> str:
    """What a method is called where people read it.

    Example:
        >>> method_name("gradcam++"), method_name("mine")
        ('Grad-CAM++', 'mine')
    """
    return METHOD_NAMES.get(method, method)


def percent(score: float) -> str:
    """A probability for people.

    Example:
        >>> percent(0.4321), percent(0.0004)
        ('43 %', '< 1 %')
    """
    return "< 1 %" if 0 < score < 0.005 else f"{100 * score:.0f} %"


def message(error: WeakspotError) -> str:
    """The two lines of an error."""
    return f"{escape(error.problem)}<br>{escape(error.hint)}"


def results(shown: Image.Image, found: Found, opacity: float) -> str:
    """Pictures side by side, one a method; below them what the colours are, and the boxes.

    Args:
        shown: The photo, small enough for the page.
        found: By method, one localization a class.
        opacity: Opacity of the heatmaps.
    """
    kept = {method: classes for method, classes in found.items() if classes}
    if not kept:
        return NOTHING_CHOSEN
    figures = "".join(_figure(method, shown, classes, opacity) for method, classes in kept.items())
    many = " ws-many" if len(kept) > 1 else ""
    legend = _legend(next(iter(kept.values())))
    return f'<div class="ws-pictures{many}">{figures}</div>{legend}{_notes(kept)}{_table(kept)}'


def _figure(method: str, shown: Image.Image, classes: Sequence[Localization], opacity: float) -> str:
    words = f"{method_name(method)}: {', '.join(one.label for one in classes)}"
    source = data_url(draw_classes(shown, classes, opacity=opacity))
    return (
        f'<figure><img src="{source}" alt="{escape(words)}" width="{shown.width}" height="{shown.height}">'
        f"<figcaption>{escape(method_name(method))}</figcaption></figure>"
    )


def _legend(classes: Sequence[Localization]) -> str:
    items = "".join(
        f'<li><i style="background:{colour_of(place)}"></i>{escape(one.label)} <b>{percent(one.score)}</b></li>'
        for place, one in enumerate(classes)
    )
    return f'<ul class="ws-legend">{items}</ul>'


def _notes(found: Found) -> str:
    """What a visitor should know, each once."""
    said = dict.fromkeys(f"{one.label}: {note}" for classes in found.values() for one in classes for note in one.notes)
    return "".join(f'<p class="ws-note">{escape(note)}</p>' for note in said)


def _table(found: Found) -> str:
    rows = "".join(row for method, classes in found.items() for row in _rows(method, classes))
    heads = "".join(f"<th>{head}</th>" for head in ("Class", "Probability", "Method", "x1", "y1", "x2", "y2"))
    caption = "<caption>Boxes, in the photo's own pixels</caption>"
    return f'<div class="ws-table"><table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _rows(method: str, classes: Sequence[Localization]) -> Iterator[str]:
    for place, one in enumerate(classes):
        dot = f'<i style="background:{colour_of(place)}"></i>'
        words = f"<td>{dot}{escape(one.label)}</td><td>{percent(one.score)}</td><td>{escape(method_name(method))}</td>"
        for box in one.boxes.tolist():
            yield f"<tr>{words}{''.join(f'<td>{side:.0f}</td>' for side in box)}</tr>"
