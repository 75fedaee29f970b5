"""Other people's readers find in our files what we have written."""

import contextlib
import io
import warnings
from dataclasses import replace

import numpy as np
import pytest
from label_sets import near, with_masks
from PIL import Image
from pycocotools import mask as reference
from pycocotools.coco import COCO

from weakspot.data import read_dataset
from weakspot.data.annotated_image import read_mask
from weakspot.data.polygons import mask_to_polygon
from weakspot.data.rle import decode_rle
from weakspot.labels import FORMATS, WriteOptions


@pytest.fixture
def written(tmp_path):
    """Writes a format with its images, and gives the folder and the labels."""

    def write(name, options=WriteOptions()):
        labels = with_masks()
        FORMATS[name].write(labels, tmp_path, options)
        for image in labels.samples:
            file = tmp_path / FORMATS[name].image_path(image)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (image.width, image.height)).save(file)
        return tmp_path, labels

    return write


def sv():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import supervision

    return supervision


@pytest.mark.parametrize("polygons", [False, True])
def test_pycocotools_loads_coco(written, polygons):
    folder, labels = written("coco", WriteOptions(polygons=polygons))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(folder / "annotations/instances_all.json")
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == list(labels.class_names)
    for one, annotation in zip(labels.samples[0].objects, coco.loadAnns(coco.getAnnIds(1)), strict=True):
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width, y + height) == one.box
        assert annotation["score"] == one.score
        found, drawn = coco.annToMask(annotation).astype(bool), decode_rle(one.mask)
        assert near(drawn, found) if polygons else (drawn == found).all()
        assert polygons or annotation["area"] == drawn.sum()


def test_supervision_loads_yolo(written):
    folder, labels = written("yolo", WriteOptions(scores=True))
    data = sv().DetectionDataset.from_yolo(
        str(folder / "images/train"), str(folder / "labels/train"), str(folder / "data.yaml")
    )
    assert data.classes == list(labels.class_names)
    found = data.annotations[str(folder / "images/train/a.jpg")]
    assert found.xyxy == pytest.approx(np.array([one.box for one in labels.samples[0].objects]), abs=1e-4)
    assert found.class_id.tolist() == [0, 1]


def test_supervision_loads_pascal_voc(written):
    folder, labels = written("voc")
    data = sv().DetectionDataset.from_pascal_voc(str(folder / "JPEGImages"), str(folder / "Annotations"))
    found = data.annotations[str(folder / "JPEGImages/a.jpg")]
    assert [data.classes[index] for index in found.class_id] == [one.label for one in labels.samples[0].objects]
    ours = np.array([one.box for one in labels.samples[0].objects])
    assert (found.xyxy == ours).all()


@pytest.mark.parametrize("name", ["coco", "voc", "csv"])
def test_our_own_data_sets_are_read_from_the_same_files(written, name):
    folder, labels = written(name)
    examples = {example.path.name: example for example in read_dataset(folder, use_predictions=True).samples}
    assert {truth.label: truth.boxes.tolist() for truth in examples["a.jpg"].annotations} == {
        one.label: [list(one.box)] for one in labels.samples[0].objects
    }
    assert examples["a.jpg"].size == (60, 90)


def test_masks_of_one_class_are_read_from_csv(tmp_path):
    labels = with_masks()
    ring = labels.samples[0].objects[0]
    one = replace(labels.samples[0], objects=(ring,))
    FORMATS["csv"].write(replace(labels, samples=(one, replace(labels.samples[0], image_id="two.jpg"))), tmp_path)
    examples = {
        example.path.name: example.annotations for example in read_dataset(tmp_path, use_predictions=True).samples
    }
    (mask,) = examples["a.jpg"][0].masks
    assert (read_mask(mask) == decode_rle(ring.mask)).all()
    assert [truth.masks for truth in examples["two.jpg"]] == [(), ()], "a mask would count for both classes"


def test_a_polygon_filled_by_pycocotools_is_near_the_mask():
    mask = decode_rle(with_masks().samples[0].objects[0].mask)
    encoded = reference.frPyObjects([mask_to_polygon(mask).ravel().tolist()], *mask.shape)
    filled = reference.decode(encoded)[..., 0].astype(bool)
    assert near(mask, filled)
    assert not filled[30, 25], "the hole is one"
