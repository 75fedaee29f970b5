"""What a report shows, before any photo is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from weakspot.report.metric_table import MetricTable

Box = tuple[float, float, float, float]


class Threshold(NamedTuple):
    """How regions are cut out of a heatmap, as :func:`weakspot.ops.mask_from_heatmap` has it.

    Attributes:
        threshold: Fraction of the heatmap's peak.
        min_area: Least area of a region beside the largest, as a fraction of the image's; 1 keeps the largest alone.
        split: Whether regions with several peaks are split between them.
        min_heat: Least heat of a region.
    """

    threshold: float
    min_area: float = 1.0
    split: bool = False
    min_heat: float = 0.0


@dataclass(frozen=True)
class ReportItem:
    """One class in one image, and what was found of it.

    Attributes:
        name: The image as the user knows it.
        photo: The image file, which may be missing.
        label: Name of the class.
        frame: ``(height, width)`` that boxes count in; None: the pixels of the photo as they are stored.
        upright: Whether boxes count in the upright photo, else as an annotated data set has them.
        boxes: What was found: xyxy, right and bottom excluded, the largest region first.
        truths: The true boxes, likewise; none where they are not known.
        score: Probability of the class, in [0, 1], or None.
        overlap: IoU of the first box with the true box that it fits best, or None.
        doubt: 0 sure, 1 most doubtful, or None.
        heatmap: File of the heatmap, grey, of the whole photo; None where none was saved.
        picture: File of the photo with heatmap and boxes drawn in; None where none was saved.
        mask: File of the mask; None where none was saved.
        cut: How a mask is cut out of the heatmap where none was saved; None where there is none to cut.
        facts: Further facts, by name.
        notes: What a user should know about this result.
    """

    name: str
    photo: Path
    label: str
    frame: tuple[int, int] | None = None
    upright: bool = True
    boxes: tuple[Box, ...] = ()
    truths: tuple[Box, ...] = ()
    score: float | None = None
    overlap: float | None = None
    doubt: float | None = None
    heatmap: Path | None = None
    picture: Path | None = None
    mask: Path | None = None
    cut: Threshold | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Chart(NamedTuple):
    """A chart as SVG, with what it shows in words."""

    title: str
    svg: bytes


class Skipped(NamedTuple):
    """An image that is not shown, or not with its photo, and why."""

    image: str
    problem: str


@dataclass(frozen=True)
class ReportData:
    """All that a report shows.

    Attributes:
        kind: What the folder holds, as a heading.
        folder: Where it was read from.
        when: When the results were written, ISO 8601 to the minute.
        version: The version of weakspot that wrote them; None where the folder does not say.
        facts: The summary, by name.
        settings: What it was made with, by name.
        items: What was found, in the order of the folder.
        figures: The metrics of an evaluation, or None.
        charts: Curves.
        skipped: Images that the folder lists as skipped.
        notes: What a user should know.
    """

    kind: str
    folder: Path
    when: str
    version: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    items: tuple[ReportItem, ...] = ()
    figures: MetricTable | None = None
    charts: tuple[Chart, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
