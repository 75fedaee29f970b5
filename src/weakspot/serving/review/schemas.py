"""What the review page sends and receives."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import Status
from weakspot.serving.review.learning import Phase, Progress
from weakspot.serving.review.standing import Standing
from weakspot.serving.review.state import Reviewed

Side = Annotated[float, Field(allow_inf_nan=False)]


class LabeledBox(BaseModel):
    """A box ``[x1, y1, x2, y2]`` in pixels of the upright image, right and bottom excluded, and its class."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(max_length=1000)
    box: tuple[Side, Side, Side, Side]

    def to_object(self) -> ObjectAnnotation:
        """Convert to an object of a data set."""
        return ObjectAnnotation(self.label, self.box)


class Decision(BaseModel):
    """The objects of an image (none: it holds nothing; null: withdrawn), and the revision that they change."""

    model_config = ConfigDict(extra="forbid")

    revision: int = Field(ge=0)
    objects: list[LabeledBox] | None


class HeatmapSchema(BaseModel):
    """How boxes of a class are cut from its heatmap: ``cut`` is threshold, minimum area and minimum activation."""

    label: str
    cut: tuple[float, float, float]
    boxes: list[tuple[float, float, float, float]]


class ImageSchema(BaseModel):
    """An image as the page shows it: the class that was predicted first; ``heatmaps`` has null for a class without.

    ``number`` is that of the first decision on it among those of the review; 0 if it is untouched or not known.
    """

    id: str
    name: str
    label: str
    width: int
    height: int
    uncertainty: float | None
    status: Status
    revision: int
    number: int
    random: bool
    objects: list[LabeledBox]
    heatmaps: list[HeatmapSchema | None]

    @classmethod
    def of(cls, image: Reviewed) -> "ImageSchema":
        """Describe an image."""
        item = image.item
        return cls(
            id=item.id,
            name=as_text(item.name),
            label=as_text(item.predictions[0].label),
            width=item.size[1],
            height=item.size[0],
            uncertainty=item.uncertainty,
            status=image.status,
            revision=image.revision,
            number=image.sampling.number if image.sampling is not None else 0,
            random=image.sampling is not None and image.sampling.offer == "random",
            objects=[LabeledBox(label=as_text(one.label), box=one.xyxy) for one in image.objects],
            heatmaps=_heatmaps(image),
        )


class ProgressSchema(BaseModel):
    """What the learning process does; ``available`` is false if the model cannot learn."""

    available: bool
    phase: Phase
    done: int
    total: int
    rounds: int
    problem: str
    note: str

    @classmethod
    def of(cls, progress: Progress, *, available: bool) -> "ProgressSchema":
        """Describe the process."""
        texts = {"problem": as_text(progress.problem), "note": as_text(progress.note)}
        return cls(available=available, **(vars(progress) | texts))


class OfferSchema(BaseModel):
    """An image that is offered, and whether it was drawn at random."""

    id: str
    random: bool


class StandingSchema(BaseModel):
    """How many images are right as far as it is known, as text, and whether that is as many as were wanted."""

    text: str
    reached: bool

    @classmethod
    def of(cls, standing: Standing) -> "StandingSchema":
        """Describe how many images are right."""
        return cls(text=standing.text, reached=standing.is_reached)


class ReviewSchema(BaseModel):
    """The images that changed after a version, all classes, those offered next, and what the learning process does.

    The gallery shows the ids ``ranked`` first, as ``offers`` would give away what is drawn at random.
    ``note`` names decisions whose images are missing; it is empty if every decision has its image.
    """

    version: int
    classes: list[str]
    images: list[ImageSchema]
    offers: list[OfferSchema]
    ranked: list[str]
    standing: StandingSchema
    learning: ProgressSchema
    note: str


def as_text(name: str) -> str:
    """Return a name without the bytes of a file name that are not UTF-8, which JSON cannot hold."""
    return name.encode(errors="replace").decode()


def _heatmaps(image: Reviewed) -> list[HeatmapSchema | None]:
    found: list[HeatmapSchema | None] = []
    for prediction in image.item.predictions:
        how = prediction.threshold
        known = prediction.heatmap is not None and how is not None
        cut = (how.threshold, how.min_area, how.min_activation) if how is not None else (0.0, 0.0, 0.0)
        boxes = [item.xyxy for item in prediction.objects]
        found.append(HeatmapSchema(label=as_text(prediction.label), cut=cut, boxes=boxes) if known else None)
    return found
