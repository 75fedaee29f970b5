"""Content of a report, before any image is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from weakspot.report.metric_table import MetricTable

Box = tuple[float, float, float, float]


class Threshold(NamedTuple):
    """How regions are cut from a heatmap, as arguments of :func:`weakspot.ops.mask_from_heatmap`.

    Attributes:
        threshold: Fraction of the heatmap's maximum.
        min_area: Minimum area of a region, as a fraction of the image; 1 keeps the default region only.
        split: Whether regions with several peaks are split.
        min_activation: Minimum mean heatmap value of a region.
    """

    threshold: float
    min_area: float = 1.0
    split: bool = False
    min_activation: float = 0.0


@dataclass(frozen=True)
class ReportItem:
    """Prediction of one class in one image.

    Attributes:
        name: Name of the image as given by the user.
        image: The image file, which may be missing.
        label: Name of the class.
        frame: ``(height, width)`` of the coordinate frame of the boxes; None for the stored size of the image.
        upright: Whether boxes refer to the image after EXIF orientation, or to its stored pixels as in annotations.
        boxes: Predicted boxes: xyxy, right and bottom excluded, the default one first.
        true_boxes: Ground-truth boxes in the same format; empty if unknown.
        score: Probability of the class, in [0, 1], or None.
        iou: Largest IoU of the first box with a ground-truth box, or None.
        uncertainty: Uncertainty of the box, in [0, 1], 1 the most uncertain, or None.
        heatmap: File of the grayscale heatmap of the whole image, or None.
        plot: File of the image with heatmap and boxes drawn on it, or None.
        mask: File of the mask, or None.
        threshold: How to cut a mask from the heatmap if there is no file; None if there is nothing to cut.
        facts: Further facts by name.
        notes: Notes on this prediction.
        logits: Logits of all classes; empty if unknown.
    """

    name: str
    image: Path
    label: str
    frame: tuple[int, int] | None = None
    upright: bool = True
    boxes: tuple[Box, ...] = ()
    true_boxes: tuple[Box, ...] = ()
    score: float | None = None
    iou: float | None = None
    uncertainty: float | None = None
    heatmap: Path | None = None
    plot: Path | None = None
    mask: Path | None = None
    threshold: Threshold | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    logits: tuple[float, ...] = ()


class Chart(NamedTuple):
    """A chart as SVG with its title."""

    title: str
    svg: bytes


class Skipped(NamedTuple):
    """An image that is not shown, and why."""

    image: str
    problem: str


@dataclass(frozen=True)
class ReportData:
    """Content of a report.

    Attributes:
        kind: Heading: what the folder contains.
        folder: The folder of results.
        modified: When the results were written, ISO 8601 to the minute.
        version: Version of weakspot that wrote them; None if the folder does not record it.
        facts: Summary by name.
        settings: Settings of the run by name.
        items: Predictions, in the order of the folder.
        metrics: Metrics of an evaluation, or None.
        charts: Charts in the folder.
        skipped: Images that the folder lists as skipped.
        notes: Notes for readers.
        refit: Command that refits the thresholds of the run to the ground truth; empty if either is unknown.
    """

    kind: str
    folder: Path
    modified: str
    version: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    items: tuple[ReportItem, ...] = ()
    metrics: MetricTable | None = None
    charts: tuple[Chart, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    refit: str = ""
