"""Whether labels are for the stored pixels of images that EXIF orientation turns, or for the upright images."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from weakspot.data.annotation_kinds import is_marked
from weakspot.data.dataset import Dataset, DatasetIssue, ObjectAnnotation, Sample, round_box
from weakspot.data.decoding import read_orientation
from weakspot.data.orientation import box_to_upright, inverse_orientation, mask_to_upright, upright_size
from weakspot.data.rle import decode_rle, encode_rle
from weakspot.data.written_labels import is_written
from weakspot.errors import InputError

Frame = Literal["stored", "upright"]
# (height, width) of the stored pixels of an image, and its EXIF orientation; None if it cannot be read.
Header = tuple[tuple[int, int], int] | None

_ASSUMED = "image that EXIF turns and whose labels do not prove their frame: taken as labels of the"
PIXELS: dict[Frame, str] = {"stored": "stored pixels", "upright": "upright image"}


class LabelFrame(NamedTuple):
    """The frame of labels whose own size does not prove it, and the images for which it is only assumed."""

    frame: Frame
    assumed: tuple[str, ...]


def proven_frame(sample: Sample, header: Header) -> Frame | None:
    """Return the frame that the size of an image's labels proves.

    None if the labels have no size, or another one than the image, or if the orientation keeps the size: of images that
    are not turned, turned by 180 degrees, mirrored or square.

    Example:
        >>> proven_frame(Sample("a", Path("a.jpg"), size=(100, 200)), ((100, 200), 6))
        'stored'
        >>> proven_frame(Sample("a", Path("a.jpg"), size=(100, 200)), ((100, 200), 3)) is None
        True
    """
    if header is None or sample.size_from_image:
        return None
    stored, upright = header[0], upright_size(*header)
    frames: dict[tuple[int, int] | None, Frame] = {} if stored == upright else {stored: "stored", upright: "upright"}
    return frames.get(sample.size)


def size_problem(sample: Sample, header: Header) -> str:
    """Return that labels are for an image of another size; empty if they are not, or if a size is not known.

    Example:
        >>> size_problem(Sample("a", Path("a.jpg"), size=(480, 640)), ((64, 64), 1))
        'its labels are for 640 x 480 pixels, it has 64 x 64'
    """
    if header is None or sample.size is None or sample.size in (header[0], upright_size(*header)):
        return ""
    height, width = upright_size(*header)
    return f"its labels are for {sample.width} x {sample.height} pixels, it has {width} x {height}"


def label_frame(images: Iterable[tuple[Sample, Header]], *, assumed: Frame, known: Frame | None = None) -> LabelFrame:
    """Return the frame of those labels of a file whose own size does not prove it.

    It is the one that other images of the file prove, else the one that is ``known``. If they prove both, or none and
    it is not known, the labels are ``assumed`` to be in a frame.

    Example:
        >>> box = ObjectAnnotation("nut", (20, 10, 60, 30))
        >>> sample = Sample("a", Path("a.jpg"), objects=(box,), size=(100, 200))
        >>> label_frame([(sample, ((100, 200), 6)), (sample, ((100, 200), 3))], assumed="upright")
        LabelFrame(frame='stored', assumed=())
        >>> label_frame([(sample, ((100, 200), 3))], assumed="upright")
        LabelFrame(frame='upright', assumed=('a',))
    """
    pairs = list(images)
    proven = {proven_frame(*pair) for pair in pairs} - {None}
    frame = known if not proven else next(iter(proven)) if len(proven) == 1 else None
    if frame is not None:
        return LabelFrame(frame, ())
    return LabelFrame(assumed, tuple(sample.image_id for sample, header in pairs if _is_ambiguous(sample, header)))


def assumed_issue(frame: LabelFrame) -> tuple[DatasetIssue, ...]:
    """Return an issue of the images whose frame is assumed, if there are any.

    Example:
        >>> assumed_issue(LabelFrame("stored", ("a",)))[0].kind
        'image that EXIF turns and whose labels do not prove their frame: taken as labels of the stored pixels'
    """
    return (DatasetIssue(f"{_ASSUMED} {PIXELS[frame.frame]}", frame.assumed),) if frame.assumed else ()


def frame_notes(dataset: Dataset) -> tuple[str, ...]:
    """Return a sentence about the images of a data set whose frame is assumed."""
    return tuple(f"{len(issue.where)} x {issue.kind}." for issue in dataset.issues if issue.kind.startswith(_ASSUMED))


def resolve_frames(dataset: Dataset, source: Path, splits: Sequence[str]) -> Dataset:
    """Convert labels to the pixels that ``read_as_annotated`` decodes, which knows only the size of the labels.

    If a label file proves to be for upright images, its boxes in images that are turned by 180 degrees, mirrored or
    square are converted to stored pixels, and labels without a size get that of the upright image. Images for which the
    frame is assumed are an issue of the data set. The size of a mask file proves its frame as the size of boxes does.
    Mask files cannot be converted: of images that are turned by 180 degrees, mirrored or square, they are assumed to be
    for the stored pixels.

    Args:
        dataset: Labels as read.
        source: File or folder that they were read from.
        splits: Names of splits; only the headers of their images are read.
    """
    headers = [
        _header(sample.path) if any(map(is_marked, sample.objects)) and sample.split in splits else None
        for sample in dataset.samples
    ]
    pairs = [(_sized_by_mask(sample, header), header) for sample, header in zip(dataset.samples, headers, strict=True)]
    found = label_frame(pairs, assumed="stored", known="upright" if is_written(source) else None)
    samples = tuple(sample for sample, _ in pairs)
    if found.frame == "upright":
        fixed = tuple(sample.image_id for sample, header in pairs if _has_fixed_mask(sample, header))
        found = LabelFrame("stored", fixed)
        samples = tuple(_as_decoded(sample, header) for sample, header in pairs)
    return replace(dataset, samples=samples, issues=(*dataset.issues, *assumed_issue(found)))


def to_upright(sample: Sample, orientation: int) -> Sample:
    """Convert labels of stored pixels, of a known size, to the upright image."""
    objects = tuple(_turned(item, sample, orientation) for item in sample.objects)
    return replace(sample, objects=objects, size=upright_size((sample.height, sample.width), orientation))


def _turned(item: ObjectAnnotation, sample: Sample, orientation: int) -> ObjectAnnotation:
    box, mask = item.box, item.mask
    if box is not None:
        box = round_box(box_to_upright(box, orientation, height=sample.height, width=sample.width))
    if mask is not None:
        mask = encode_rle(mask_to_upright(decode_rle(mask), orientation))
    point = item.point
    if point is not None:
        point = box_to_upright((*point, *point), orientation, height=sample.height, width=sample.width)[:2]
    return replace(item, box=box, mask=mask, point=point)


def _as_decoded(sample: Sample, header: Header) -> Sample:
    """The labels of an upright image, of which only the size tells that."""
    if header is None or not _is_ambiguous(sample, header):
        return sample
    stored, orientation = header
    upright = upright_size(stored, orientation)
    if upright != stored:
        return replace(sample, size=upright)
    if _has_fixed_mask(sample, header):
        return sample
    return replace(to_upright(replace(sample, size=upright), inverse_orientation(orientation)), size=sample.size)


def _is_ambiguous(sample: Sample, header: Header) -> bool:
    """Whether an image is turned and has boxes or masks that do not prove their frame."""
    if (
        header is None
        or header[1] == 1
        or not any(map(is_marked, sample.objects))
        or proven_frame(sample, header) is not None
    ):
        return False
    return sample.size is None or sample.size in (header[0], upright_size(*header))


def _has_fixed_mask(sample: Sample, header: Header) -> bool:
    """Whether an image has a mask file of the size of the stored pixels and of the upright image, which are equal."""
    has_file = any(item.mask_files for item in sample.objects)
    return has_file and header is not None and header[0] == upright_size(*header) and _is_ambiguous(sample, header)


def _sized_by_mask(sample: Sample, header: Header) -> Sample:
    """Return a sample with the size of its first mask file if this proves the frame, and nothing else does."""
    file = next((file for item in sample.objects for file in item.mask_files), None)
    if file is None or header is None or header[0] == upright_size(*header):
        return sample
    if proven_frame(sample, header) is not None:
        return sample
    mask = _header(file)
    with_size = sample if mask is None else replace(sample, size=mask[0], size_from_image=False)
    return sample if proven_frame(with_size, header) is None else with_size


def _header(path: Path) -> Header:
    try:
        return read_orientation(path)
    except InputError:
        return None
