from pathlib import Path

import pytest
from refusals import refused
from trees import plant, told, voc

from weakspot.data import read_dataset

CSV = "image_id,xmin,ymin,xmax,ymax\ncat/a,1,2,3,4\n"
LABELS = "image_id,label\na,cat\n"
COCO = {"images": [], "annotations": [], "categories": []}
LAYOUTS = {
    "ILSVRC CLS-LOC": {"ILSVRC/Data/CLS-LOC/val/a.JPEG": (9, 9), "ILSVRC/Annotations/CLS-LOC/val/a.xml": voc()},
    "CUB-200-2011": {
        f"CUB_200_2011/{name}.txt": ""
        for name in ("images", "classes", "image_class_labels", "train_test_split", "bounding_boxes")
    },
    "benchmark metadata": {"test/image_ids.txt": ""},
    "CSV of boxes": {"annotations.csv": CSV},
    "COCO": {"annotations.json": COCO},
    "Pascal VOC": {"cat/b.xml": voc(), "cat/b.jpg": (9, 9)},
    "CSV of labels": {"labels.csv": LABELS},
    "YOLO": {"data.yaml": "names: [cat]", "images/a.jpg": (9, 9), "labels/a.txt": "0 0.5 0.5 0.2 0.2"},
    "class folders": {"cat/a.jpg": (9, 9)},
}


def test_boxes_in_fractions_of_their_images_are_refused(tmp_path):
    rows = "image_id,xmin,ymin,xmax,ymax,class\na,0.1,0.2,0.5,1,cat\n"
    with refused("boxes-are-fractions", tmp_path, 0.5):
        read_dataset(plant(tmp_path, {"annotations.csv": rows, "images/a.jpg": (40, 30)}))
    one_in_pixels = rows + "a,0,0,9,9,cat\n"
    assert len(read_dataset(plant(tmp_path, {"annotations.csv": one_in_pixels})).samples) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("as_given", [str, Path])
def test_layout_is_recognised(tmp_path, layout, as_given):
    dataset = read_dataset(as_given(plant(tmp_path, LAYOUTS[layout])))
    assert (dataset.layout, dataset.root) == (layout, tmp_path)


def test_most_specific_layout_is_taken(tmp_path):
    for layout in reversed(LAYOUTS):
        assert read_dataset(plant(tmp_path, LAYOUTS[layout])).layout == layout


@pytest.mark.parametrize(
    ("truth", "content", "layout"),
    [
        ("boxes.csv", CSV, "CSV of boxes"),
        ("boxes.CSV", CSV, "CSV of boxes"),
        ("labels.csv", LABELS, "CSV of labels"),
        ("labels.CSV", "Image , CLASS\na,cat\n", "CSV of labels"),
        ("both.csv", "image,label,xmin,ymin,xmax,ymax,class\ncat/a,,1,2,3,4,cat\n", "CSV of boxes"),
        ("boxes.json", COCO, "COCO"),
        ("boxes", None, "Pascal VOC"),
    ],
)
def test_truth_tells_the_layout_by_its_suffix(tmp_path, truth, content, layout):
    plant(tmp_path, {truth: content, "photos/cat/a.jpg": (9, 9)} | {"photos/test/image_ids.txt": ""})
    assert read_dataset(str(tmp_path / "photos"), ground_truth=str(tmp_path / truth)).layout == layout


@pytest.mark.parametrize(
    ("header", "missing"),
    [("image_id,class,xmin,ymin,xmax", "ymax"), ("image_id,name", "label"), ("", "image_id"), ("label", "image_id")],
)
def test_csv_given_as_truth_lacks_what_is_nearest(tmp_path, header, missing):
    with refused("missing-column", "line 1", missing):
        read_dataset(tmp_path, ground_truth=plant(tmp_path, {"truth.csv": f"{header}\n"}) / "truth.csv")


def test_images_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"photos/cat/a.png": (9, 9), "labels/boxes.csv": CSV})
    dataset = read_dataset(
        tmp_path / "labels", ground_truth=tmp_path / "labels/boxes.csv", images=str(tmp_path / "photos")
    )
    assert told(dataset) == {"cat/a": ("", {"cat": [[1, 2, 3, 4]]})}
    assert dataset.samples[0].path == tmp_path / "photos/cat/a.png"


@pytest.mark.parametrize(
    ("options", "code", "value"),
    [
        ({"root": "empty"}, "unknown-layout", "empty"),
        ({"root": "gone"}, "folder-not-found", "gone"),
        ({"root": "a\0b"}, "folder-not-found", "a\0b"),
        ({"root": "boxes.csv"}, "folder-not-found", "boxes.csv"),
        ({"root": "empty", "images": "gone"}, "folder-not-found", "gone"),
        ({"root": "empty", "ground_truth": "gone.csv"}, "file-not-found", "gone.csv"),
        ({"root": "empty", "ground_truth": "boxes.txt"}, "unknown-format", "boxes.txt"),
    ],
)
def test_invalid_paths_are_refused(tmp_path, monkeypatch, options, code, value):
    monkeypatch.chdir(plant(tmp_path, {"empty": None, "boxes.csv": CSV, "boxes.txt": CSV}))
    with refused(code, value):
        read_dataset(**options)


def test_reading_opens_no_image(tmp_path):
    names = {f"images/cat/{name}.jpg": b"no image" for name in "abc"}
    assert len(read_dataset(plant(tmp_path, names | {"annotations.csv": CSV})).samples) == 3


LABELED = {
    "label.toml": "",
    "review.csv": "",
    "classes.txt": "cat\n",
    "labelstudio/tasks.json": [],
    "labelstudio/config.xml": "",
    "labelstudio/images/cat/a.jpg": (9, 9),
}
FORMATS = {
    "yolo": {"yolo/data.yaml": "names: [cat]", "yolo/images/a.jpg": (9, 9), "yolo/labels/a.txt": "0 0.5 0.5 0.2 0.2"},
    "voc": {"voc/Annotations/a.xml": voc(("cat", 1, 1, 2, 2), size=(9, 9)), "voc/JPEGImages/a.jpg": (9, 9)},
}


def test_output_of_label_with_several_formats_is_refused(tmp_path):
    plant(tmp_path, LABELED | FORMATS["yolo"] | FORMATS["voc"])
    with refused("several-datasets", "voc, yolo", tmp_path / "voc"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_output_of_label_with_one_readable_format_is_read(tmp_path, name):
    dataset = read_dataset(plant(tmp_path, LABELED | FORMATS[name]))
    assert (dataset.root, dataset.class_names) == (tmp_path / name, ("cat",))


@pytest.mark.parametrize("folder", ["", "labelstudio"])
def test_tasks_of_label_studio_are_refused(tmp_path, folder):
    with refused("unknown-layout", tmp_path / folder, "label --import"):
        read_dataset(plant(tmp_path, LABELED) / folder)
