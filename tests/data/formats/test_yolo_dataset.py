"""Data sets of YOLO are read: boxes, classes, splits; what cannot be read is refused or listed."""

import numpy as np
import pytest
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset

NAMES = "names: [cat, dog]\n"
BOX = "0.5 0.5 0.4 0.6\n"
SIZE = (100, 50)
SIDES = [[30.0, 10.0, 70.0, 40.0]]


def both(images, labels, splits=("train", "val"), names="data.yaml", text=NAMES):
    """Two splits, each with a dog."""
    files = dict.fromkeys((images.format(split) for split in splits), SIZE)
    return {names: text} | files | {labels.format(split): f"1 {BOX}" for split in splits}


@pytest.mark.parametrize(
    ("files", "splits", "image_id"),
    [
        pytest.param(both("images/{}/a.jpg", "labels/{}/a.txt"), ("train", "val"), "{}/a", id="ultralytics"),
        pytest.param(both("{}/images/a.jpg", "{}/labels/a.txt", ("train", "valid")), ("train", "valid"), "{}/images/a"),
        pytest.param(
            both("obj_{}_data/a.jpg", "obj_{}_data/a.txt", ("train", "valid"), "obj.names", "cat\ndog\n"),
            ("train", "valid"),
            "obj_{}_data/a",
            id="CVAT",
        ),
        pytest.param(both("images/{0}2017/{0}.jpg", "labels/{0}2017/{0}.txt"), ("train", "val"), "{}", id="years"),
        pytest.param(both("{}.jpg", "{}.txt", ("x", "y"), "classes.txt", "cat\ndog"), ("",), None, id="LabelImg"),
    ],
)
def test_boxes_classes_and_splits_are_read(tmp_path, files, splits, image_id):
    dataset = read_dataset(plant(tmp_path, files))
    assert (dataset.layout, dataset.class_names) == ("YOLO", ("cat", "dog"))
    expected = {"x": ("", {"dog": SIDES}), "y": ("", {"dog": SIDES})}
    if image_id:
        expected = {image_id.format(split): (split, {"dog": SIDES}) for split in splits}
    assert told(dataset) == expected
    assert [issue.kind for issue in check_dataset(dataset)] == ["class without images"]


def test_ids_are_those_of_weakspot_label_if_they_are_unique(tmp_path):
    files = {"images/train/cat/a.jpg": SIZE, "images/val/cat/b.jpg": SIZE}
    labels = {"labels/train/cat/a.txt": f"0 {BOX}", "labels/val/cat/b.txt": f"1 {BOX}"}
    dataset = read_dataset(plant(tmp_path, {"data.yaml": NAMES} | files | labels))
    assert told(dataset) == {"cat/a": ("train", {"cat": SIDES}), "cat/b": ("val", {"dog": SIDES})}


def test_images_without_a_text_file_have_no_object(tmp_path):
    files = {"images/a.jpg": SIZE, "images/b.jpg": SIZE, "images/c.jpg": SIZE}
    labels = {"labels/a.txt": f"0.0 {BOX}", "labels/b.txt": "", "labels/gone.txt": f"0 {BOX}"}
    dataset = read_dataset(plant(tmp_path, {"data.yaml": NAMES} | files | labels))
    assert told(dataset) == {"a": ("", {"cat": SIDES}), "b": ("", {}), "c": ("", {})}
    (issue,) = dataset.issues
    assert issue.where == (str(tmp_path / "labels/gone.txt"),)


def test_a_polygon_is_a_box(tmp_path):
    files = {"data.yaml": NAMES, "images/a.jpg": SIZE, "labels/a.txt": "1 0.1 0.2 0.5 0.2 0.5 0.6\n"}
    (sample,) = read_dataset(plant(tmp_path, files)).samples
    np.testing.assert_allclose(sample.objects[0].xyxy, (10, 10, 50, 30))


def test_boxes_with_a_score_are_predictions(tmp_path):
    files = {"data.yaml": NAMES, "images/a.jpg": SIZE, "labels/a.txt": f"1 {BOX.strip()} 0.7\n"}
    with refused("labels-are-predictions", "The only label"):
        read_dataset(plant(tmp_path, files))
    assert told(read_dataset(tmp_path, use_predictions=True)) == {"a": ("", {"dog": SIDES})}


def test_the_label_of_an_unreadable_image_is_kept(tmp_path):
    files = {"data.yaml": NAMES, "images/a.jpg": b"no image", "labels/a.txt": f"1 {BOX}"}
    assert told(read_dataset(plant(tmp_path, files))) == {"a": ("", {"dog": []})}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (f"5 {BOX}", ("class number 5", "0 to 1")),
        (f"-1 {BOX}", ("class number -1",)),
        (f"0.5 {BOX}", ("0.5",)),
        (f"dog {BOX}", ("'dog'",)),
        ("1 0.5 0.5 x 0.6", ("x",)),
        ("1 0.5 0.5", ("3 columns",)),
    ],
)
def test_an_invalid_line_is_refused(tmp_path, line, values):
    files = {"images/a.jpg": SIZE, "images/b.jpg": SIZE, "labels/a.txt": f"1 {BOX}", "labels/b.txt": line}
    with refused("label-invalid", tmp_path / "labels/b.txt", "line 1", *values):
        read_dataset(plant(tmp_path, {"data.yaml": NAMES} | files))


@pytest.mark.parametrize("folder", ["images", "images/train"])
def test_labels_without_names_are_refused(tmp_path, folder):
    labels = folder.replace("images", "labels")
    with refused("file-not-found", tmp_path, "classes.txt"):
        read_dataset(plant(tmp_path, {f"{folder}/a.jpg": SIZE, f"{labels}/a.txt": f"1 {BOX}"}))


def test_labels_without_images_are_refused(tmp_path):
    with refused("image-not-found", tmp_path):
        read_dataset(plant(tmp_path, {"data.yaml": NAMES, "labels/a.txt": f"1 {BOX}"}))


@pytest.mark.parametrize("names", ["classes.txt", "data.yaml"])
def test_captions_next_to_images_are_no_labels(tmp_path, names):
    files = {names: NAMES, "cat/a.jpg": SIZE, "cat/a.txt": "a cat on a mat", "dog/b.jpg": SIZE, "dog/b.txt": "5 dogs"}
    assert read_dataset(plant(tmp_path, files)).layout == "class folders"


def test_the_images_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"x/data.yaml": NAMES, "x/labels/a.txt": f"1 {BOX}", "photos/a.jpg": SIZE})
    dataset = read_dataset(tmp_path / "x", images=tmp_path / "photos")
    assert dataset.samples[0].path == tmp_path / "photos/a.jpg"
    assert told(dataset) == {"a": ("", {"dog": SIDES})}
