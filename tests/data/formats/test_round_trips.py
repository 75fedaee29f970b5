"""What is written in a format and read again is the same."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from label_sets import by_path, images_of, label_set, label_sets, labeled, near, with_masks

from weakspot.data import ObjectAnnotation
from weakspot.data.rle import decode_rle
from weakspot.labels import FORMATS, WriteOptions


def again(labels, name, options=WriteOptions()):
    with TemporaryDirectory() as folder:
        assert FORMATS[name].write(labels, Path(folder), options) == []
        read = FORMATS[name].read(Path(folder), images_of(labels))
    assert read.problems == ()
    return read.labels


def without_split_of(labels, split):
    """Formats that know no image without a split give it this one."""
    return label_set(labels.class_names, tuple(replace(one, split=one.split or split) for one in labels.samples))


@given(label_sets())
@settings(max_examples=40)
def test_coco_keeps_everything(labels):
    found = again(labels, "coco")
    assert found.class_names == labels.class_names
    assert by_path(found) == by_path(labels)


@given(label_sets())
@settings(max_examples=40)
def test_yolo_with_scores_keeps_everything(labels):
    found = again(labels, "yolo", WriteOptions(scores=True))
    assert found.class_names == labels.class_names
    assert by_path(found) == by_path(without_split_of(labels, "train"))


@given(label_sets(whole=True, scores=False))
@settings(max_examples=40)
def test_voc_keeps_boxes_of_whole_numbers(labels):
    found = again(labels, "voc")
    assert found.class_names == labels.class_names
    assert by_path(found) == by_path(labels)


@given(label_sets())
@settings(max_examples=40)
def test_label_studio_keeps_everything_as_predictions(labels):
    found = again(labels, "labelstudio")
    assert found.class_names == labels.class_names
    assert by_path(found) == {
        name: replace(one, predicted=True, status="untouched") for name, one in by_path(labels).items()
    }


@given(label_sets())
@settings(max_examples=40)
def test_csv_keeps_everything(labels):
    found = again(labels, "csv")
    assert found.class_names == labels.class_names
    assert by_path(found) == by_path(labels)


def test_doubts_are_kept_by_coco_and_label_studio():
    labels = label_set(("a",), (replace(with_masks().samples[1], uncertainty=0.25),))
    assert again(labels, "coco").samples == labels.samples
    assert again(labels, "labelstudio").samples[0] == replace(labels.samples[0], predicted=True, status="untouched")


def test_yolo_without_scores_has_five_columns(tmp_path):
    FORMATS["yolo"].write(with_masks(), tmp_path, WriteOptions())
    lines = (tmp_path / "labels/train/a.txt").read_text().splitlines()
    assert lines[0].split() == ["0", "0.283333333333", "0.508333333333", "0.455555555556", "0.683333333333"]
    assert [len(line.split()) for line in lines] == [5, 5]


def test_masks_are_exact_in_coco_and_png():
    labels = with_masks()
    assert again(labels, "coco").samples == labels.samples
    found = again(labels, "masks")
    for before, after in zip(labels.samples[0].objects, found.samples[0].objects, strict=True):
        assert (after.label, after.box, after.mask) == (before.label, before.box, before.mask)
    assert found.samples[1] == labels.samples[1]


@pytest.mark.parametrize("name", ["coco", "yolo", "labelstudio"])
def test_masks_as_polygons_come_back_to_a_pixel_with_holes_and_parts(name):
    labels = with_masks()
    found = by_path(again(labels, name, WriteOptions(polygons=True)))
    assert found["b.jpg"].objects == ()
    for before, after in zip(labels.samples[0].objects, found["a.jpg"].objects, strict=True):
        assert after.label == before.label
        assert near(decode_rle(before.mask), decode_rle(after.mask))
        assert after.box == pytest.approx(before.box, abs=0.5)


def test_label_studio_s_tasks_come_the_most_doubtful_first(tmp_path):
    def image(name, doubt, score):
        return labeled(name, 9, 9, [ObjectAnnotation("a", (0, 0, 5, 5), score=score)], uncertainty=doubt)

    images = (image("a b.jpg", None, 0.9), image("b.jpg", None, 0.1), image("c.jpg", 0.1, 0.1), image("d.jpg", 1, 1.0))
    FORMATS["labelstudio"].write(label_set(("a",), images), tmp_path, WriteOptions(url="s3://bucket/"))
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [f"s3://bucket/{name}.jpg" for name in ("d", "c", "b", "a%20b")]
    assert [task["data"]["uncertainty"] for task in tasks] == [1, 0.1, None, None]
    assert [task["predictions"][0]["score"] for task in tasks] == [1.0, 0.1, 0.1, 0.9]
