import json

import pytest
from PIL import Image
from refusals import refused

from weakspot.data import Dataset, ObjectAnnotation, Sample
from weakspot.evaluation.external_boxes import read_boxes

# The same box in the stored pixels, 200 x 100, of an image of EXIF orientation 6, and in the upright image.
STORED, UPRIGHT = (20.0, 20.0, 80.0, 60.0), (40.0, 20.0, 80.0, 80.0)


def dataset(root, orientation, size, box=STORED):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (200, 100)).save(root / "a.jpg", exif=exif)
    sample = Sample("a", root / "a.jpg", "test", (ObjectAnnotation("cat", box),), size)
    return Dataset(root, "made up", ("cat",), (sample,))


def found(root, data, box, suffix="jsonl", **size):
    return read(root, data, box, suffix, **size).by_image["a"][0].box


def read(root, data, box, suffix="jsonl", **size):
    file = root / f"boxes.{suffix}"
    if suffix == "csv":
        cells = [*box, *size.values()]
        file.write_text(f"image,xmin,ymin,xmax,ymax,{','.join(size)}\na,{','.join(map(str, cells))}\n")
    else:
        file.write_text(json.dumps({"image": "a", "label": "cat", "score": 1, "boxes": [box]} | size))
    return read_boxes(file, data)


@pytest.mark.parametrize("size", [None, (100, 200)])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_upright_boxes_are_converted_to_annotated_stored_pixels(tmp_path, size, suffix):
    data = dataset(tmp_path, 6, size)
    assert found(tmp_path, data, UPRIGHT, suffix, width=100, height=200) == STORED
    assert found(tmp_path, data, STORED, suffix, width=200, height=100) == STORED


def test_stored_boxes_are_converted_to_an_annotated_upright_image(tmp_path):
    data = dataset(tmp_path, 6, (200, 100))
    assert found(tmp_path, data, STORED, width=200, height=100) == UPRIGHT
    assert found(tmp_path, data, UPRIGHT, width=100, height=200) == UPRIGHT


def test_rows_of_localize_are_upright_also_if_the_sizes_are_equal(tmp_path):
    data = dataset(tmp_path, 3, (100, 200))
    assert found(tmp_path, data, (0, 0, 50, 20), width=200, height=100) == (150, 80, 200, 100)
    assert found(tmp_path, data, (0, 0, 50, 20), "csv", width=200, height=100) == (0, 0, 50, 20)


def test_boxes_without_the_size_of_their_image_are_unchanged(tmp_path):
    assert found(tmp_path, dataset(tmp_path, 6, None), UPRIGHT) == UPRIGHT


def test_boxes_of_an_annotation_of_another_size_are_unchanged(tmp_path):
    assert found(tmp_path, dataset(tmp_path, 6, (10, 20)), UPRIGHT, width=100, height=200) == UPRIGHT


def test_rows_of_localize_for_another_size_are_refused(tmp_path):
    data = dataset(tmp_path, 6, None)
    with refused("shape-mismatch", "a", "50 x 60", "100 x 200"):
        found(tmp_path, data, UPRIGHT, width=50, height=60)
    assert found(tmp_path, data, UPRIGHT, "csv", width=50, height=60) == UPRIGHT


def test_boxes_of_an_image_that_cannot_be_read_are_unchanged(tmp_path):
    data = dataset(tmp_path, 6, None)
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert found(tmp_path, data, UPRIGHT, width=100, height=200) == UPRIGHT


@pytest.mark.parametrize(
    ("orientation", "suffix", "size", "is_assumed"),
    [
        pytest.param(3, "csv", {"width": 200, "height": 100}, True, id="half turn"),
        pytest.param(6, "csv", {"width": 100, "height": 200}, False, id="quarter turn"),
        pytest.param(6, "csv", {"score": 1}, True, id="no size"),
        pytest.param(1, "csv", {"score": 1}, False, id="not turned"),
        pytest.param(3, "jsonl", {"width": 200, "height": 100}, False, id="of localize"),
    ],
)
def test_boxes_that_do_not_prove_their_frame_are_told(orientation, suffix, size, is_assumed, tmp_path):
    notes = read(tmp_path, dataset(tmp_path, orientation, None), (0, 0, 50, 20), suffix, **size).notes
    assert [note.split()[0] for note in notes] == ["1"] * is_assumed
