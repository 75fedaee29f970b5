"""Labels of images that EXIF turns are for the stored pixels or for the upright image, as their file proves."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from weakspot.data import Dataset, ObjectAnnotation, Sample, read_as_annotated
from weakspot.data.annotated_image import read_mask
from weakspot.data.label_frames import assumed_issue, frame_notes, label_frame, proven_frame, resolve_frames
from weakspot.data.orientation import box_to_stored

STORED, SQUARE = (100, 200), (100, 100)
BOX = (20.0, 10.0, 60.0, 30.0)


def sample(name, size, objects=(ObjectAnnotation("nut", BOX),), **more):
    return Sample(name, more.pop("path", None), "test", tuple(objects), size, **more)


@pytest.mark.parametrize(
    ("size", "header", "frame"),
    [
        pytest.param(STORED, (STORED, 6), "stored", id="as stored"),
        pytest.param(STORED[::-1], (STORED, 6), "upright", id="as upright"),
        pytest.param((9, 9), (STORED, 6), None, id="another size"),
        pytest.param(None, (STORED, 6), None, id="no size"),
        pytest.param(STORED, (STORED, 3), None, id="180 degrees"),
        pytest.param(SQUARE, (SQUARE, 6), None, id="square"),
        pytest.param(STORED, (STORED, 1), None, id="not turned"),
        pytest.param(STORED, None, None, id="not readable"),
    ],
)
def test_the_size_of_labels_proves_their_frame(size, header, frame):
    assert proven_frame(sample("a", size), header) == frame
    assert proven_frame(sample("a", size, size_from_image=True), header) is None


PROVES_STORED = (sample("stored", STORED), (STORED, 8))
PROVES_UPRIGHT = (sample("upright", STORED[::-1]), (STORED, 6))
AMBIGUOUS = [
    (sample("half turn", STORED), (STORED, 3)),
    (sample("mirrored", STORED), (STORED, 2)),
    (sample("square", SQUARE), (SQUARE, 6)),
    (sample("no size", None), (STORED, 6)),
]
TELL_NOTHING = [
    (sample("as it is", STORED), (STORED, 1)),
    (sample("empty", STORED, []), (STORED, 3)),
    (sample("another size", (9, 9)), (STORED, 3)),
    (sample("unreadable", STORED), None),
]
NAMES = ("half turn", "mirrored", "square", "no size")


@pytest.mark.parametrize(
    ("proofs", "known", "frame", "assumed"),
    [
        pytest.param([PROVES_STORED], None, "stored", (), id="stored"),
        pytest.param([PROVES_UPRIGHT], None, "upright", (), id="upright"),
        pytest.param([PROVES_STORED], "upright", "stored", (), id="a proof is stronger than what is known"),
        pytest.param([], "upright", "upright", (), id="known"),
        pytest.param([], None, "stored", NAMES, id="nothing is proven"),
        pytest.param([PROVES_STORED, PROVES_UPRIGHT], None, "stored", NAMES, id="both are proven"),
    ],
)
def test_images_of_a_file_prove_the_frame_of_the_others(proofs, known, frame, assumed):
    found = label_frame([*proofs, *AMBIGUOUS, *TELL_NOTHING], assumed="stored", known=known)
    assert found == (frame, assumed)
    assert [issue.where for issue in assumed_issue(found)] == ([assumed] if assumed else [])


@pytest.fixture
def dataset(tmp_path):
    """Labels of upright images, each a red box: one proves it, the others are ambiguous."""
    samples = []
    for name, orientation, size in (
        ("proof", 6, (100, 200)),
        ("half", 3, (100, 200)),
        ("mirrored", 4, (100, 200)),
        ("square", 8, (100, 100)),
    ):
        width, height = size
        stored = box_to_stored(BOX, orientation, height=height, width=width)
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.new("RGB", size[::-1] if orientation in (6, 8) else size)
        image.paste((255, 0, 0), tuple(map(int, stored)))
        image.save(tmp_path / f"{name}.png", exif=exif)
        samples.append(sample(name, (height, width), path=tmp_path / f"{name}.png"))
    return Dataset(tmp_path, "made up", ("nut",), tuple(samples))


def is_on_object(one):
    image = read_as_annotated(one.path, one.size)
    return image.crop(tuple(map(int, one.objects[0].xyxy))).getcolors() == [(800, (255, 0, 0))]


@pytest.mark.parametrize("sized", [True, False])
def test_boxes_of_upright_images_are_on_their_objects_if_one_proves_it(dataset, tmp_path, sized):
    if not sized:
        without = (replace(one, size=None) for one in dataset.samples[1:])
        extra = replace(dataset.samples[0], image_id="no size", size=None)
        dataset = replace(dataset, samples=(dataset.samples[0], *without, extra))
    found = resolve_frames(dataset, tmp_path, ["test"])
    assert all(map(is_on_object, found.samples))
    assert found.issues == ()


def test_an_assumed_frame_is_an_issue_and_other_splits_are_not_read(dataset, tmp_path):
    dataset = replace(dataset, samples=dataset.samples[1:])
    found = resolve_frames(dataset, tmp_path, ["test"])
    assert found.samples == dataset.samples
    assert [issue.where for issue in found.issues] == [("half", "mirrored", "square")]
    (note,) = frame_notes(found)
    assert note.startswith("3 x ")
    assert frame_notes(dataset) == ()
    assert resolve_frames(dataset, tmp_path, ["val"]) == dataset


def test_labels_that_weakspot_has_written_are_those_of_upright_images(dataset, tmp_path):
    (tmp_path / "label.toml").touch()
    found = resolve_frames(replace(dataset, samples=dataset.samples[1:]), tmp_path, ["test"])
    assert all(map(is_on_object, found.samples))
    assert found.issues == ()


def masked(dataset, *, turned):
    """The same data set with mask files in place of boxes, drawn on upright images or on stored pixels."""
    samples = []
    for one in dataset.samples:
        file = one.path.with_name(f"{one.image_id}_mask.png")
        with Image.open(one.path) as image:
            upright = ImageOps.exif_transpose(image) if turned else image
            Image.fromarray(np.asarray(upright)[..., 0]).save(file)
        samples.append(replace(one, objects=(ObjectAnnotation("nut", mask_files=(file,)),), size=None))
    return replace(dataset, samples=tuple(samples))


@pytest.mark.parametrize("turned", [True, False])
def test_mask_files_prove_their_frame_by_their_size(dataset, tmp_path, turned):
    found = resolve_frames(masked(dataset, turned=turned), tmp_path, ["test"])
    proof = found.samples[0]
    image = np.asarray(read_as_annotated(proof.path, proof.size))
    assert read_mask(proof.objects[0].mask_files[0]).tolist() == (image[..., 0] > 0).tolist()
    assert [issue.where for issue in found.issues] == ([("half", "mirrored", "square")] if turned else [])
