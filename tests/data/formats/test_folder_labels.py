"""Class folders of which a file of boxes names only some images."""

import numpy as np
import pytest
from PIL import Image
from trees import plant, told, voc

from weakspot.data import read_dataset
from weakspot.data.annotation_kinds import describe_annotations

IMAGES = {f"images/{name}.jpg": (40, 30) for name in ("cat/a", "cat/b", "dog/c", "dog/d", "owl/e")}
BOX = [[1.0, 2.0, 31.0, 22.0]]
# Only an image of a cat and one of a dog have a box; no owl has.
BOXED = {"cat/a": {"cat": BOX}, "dog/c": {"dog": BOX}}
BY_LABEL = {"cat/b": {"cat": []}, "dog/d": {"dog": []}, "owl/e": {"owl": []}}


def coco(*listed, path="{}.jpg"):
    return {
        "images": [{"id": number, "file_name": path.format(name)} for number, name in enumerate(listed)],
        "annotations": [
            {"image_id": number, "category_id": int(name[:3] == "dog"), "bbox": [1, 2, 30, 20]}
            for number, name in enumerate(listed)
            if name in BOXED
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }


XML = {name: voc((name[:3], 2, 3, 31, 22)) for name in BOXED}
CSV = "image,class,xmin,ymin,xmax,ymax\n{}.jpg,cat,1,2,31,22\n{}.jpg,dog,1,2,31,22\n"
YOLO = {name: f"{int(name[:3] == 'dog')} {16 / 40} {12 / 30} {30 / 40} {20 / 30}\n" for name in BOXED}
FORMATS = {
    "csv": {"annotations.csv": CSV.format(*BOXED)},
    "csv of base names": {"annotations.csv": CSV.format("a", "c")},
    "coco": {"annotations/instances.json": coco(*BOXED)},
    "coco of base names": {
        "annotations.json": coco(*BOXED)
        | {"images": [{"id": 0, "file_name": "a.jpg"}, {"id": 1, "file_name": "c.jpg"}]}
    },
    "coco of longer paths": {"annotations.json": coco(*BOXED, path="images/{}.jpg")},
    "coco that lists all": {"annotations.json": coco(*BOXED, *BY_LABEL)},
    "voc": {f"annotations/{name}.xml": text for name, text in XML.items()},
    "voc of base names": {f"annotations/{name[4:]}.xml": text for name, text in XML.items()},
    "yolo": {f"labels/{name}.txt": text for name, text in YOLO.items()} | {"data.yaml": "names: [cat, dog]\n"},
}


def by_name(dataset):
    """What a data set says, by the names of its images below their folder."""
    return {
        "/".join(sample.path.with_suffix("").parts[-2:]): {one.label: one.boxes.tolist() for one in sample.annotations}
        for sample in dataset.samples
    }


@pytest.mark.parametrize("name", FORMATS)
def test_images_that_it_leaves_out_have_the_label_of_their_folder(tmp_path, name):
    dataset = read_dataset(plant(tmp_path, IMAGES | FORMATS[name]))
    found = by_name(dataset)
    assert {key: found[key] for key in BY_LABEL} == BY_LABEL
    assert {key: {label: np.round(box, 6).tolist() for label, box in found[key].items()} for key in BOXED} == BOXED
    assert len(dataset.samples) == len(IMAGES)
    assert all(sample.path.is_file() for sample in dataset.samples)
    assert sorted(dataset.class_names) == ["cat", "dog", "owl"]
    assert describe_annotations(dataset.samples) == "2 boxes of 2 classes, 3 images by label alone"


@pytest.mark.parametrize("name", ["csv", "coco", "voc"])
def test_the_file_may_be_elsewhere(tmp_path, name):
    plant(tmp_path / "boxes", FORMATS[name])
    file = (
        tmp_path
        / "boxes"
        / {"csv": "annotations.csv", "coco": "annotations/instances.json", "voc": "annotations"}[name]
    )
    dataset = read_dataset(plant(tmp_path / "photos", IMAGES), ground_truth=file)
    assert by_name(dataset) == BOXED | BY_LABEL


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_masks_of_some_images(tmp_path, mode):
    plant(tmp_path, IMAGES | {"masks": None})
    for name in ("cat/a", "dog/c"):
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        mask = Image.new(mode, (40, 30))
        mask.paste(1 if mode == "P" else 255, (1, 2, 31, 22))
        mask.save(tmp_path / "masks" / f"{name}.png")
    dataset = read_dataset(tmp_path)
    assert told(dataset) == {name: ("", {name[:3]: []}) for name in BOXED | BY_LABEL}
    assert {
        sample.image_id: [file.name for one in sample.annotations for file in one.masks] for sample in dataset.samples
    } == {"cat/a": ["a.png"], "dog/c": ["c.png"], "cat/b": [], "dog/d": [], "owl/e": []}
    assert describe_annotations(dataset.samples) == "2 masks of 2 classes, 3 images by label alone"


def test_indexed_masks_of_some_images_have_their_own_classes(tmp_path):
    plant(tmp_path, IMAGES | {"masks": None, "classes.txt": "dog\ncat\n"})
    for name, value in (("cat/a", 2), ("dog/c", 1)):
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        mask = Image.new("P", (40, 30))
        mask.putpalette([value for value in range(256) for _ in "RGB"])
        mask.paste(value, (1, 2, 31, 22))
        mask.save(tmp_path / "masks" / f"{name}.png")
    dataset = read_dataset(tmp_path)
    assert by_name(dataset) == BOXED | BY_LABEL
    assert all(sample.objects[0].mask is not None for sample in dataset.samples[:2])


def test_what_says_that_an_image_is_empty_is_believed(tmp_path):
    empty = {"voc": {"annotations/cat/b.xml": voc()}, "yolo": {"labels/cat/b.txt": ""}}
    for name, files in empty.items():
        dataset = read_dataset(plant(tmp_path / name, IMAGES | FORMATS[name] | files))
        (sample,) = [one for one in dataset.samples if one.path.name == "b.jpg"]
        assert sample.objects == ()
        assert describe_annotations(dataset.samples) == (
            "2 boxes of 2 classes, 2 images by label alone, 1 image without an object"
        )


def test_splits_of_folders_are_kept_and_others_are_trained_on(tmp_path):
    images = {f"images/{name}.jpg": (40, 30) for name in ("train/cat/a", "train/dog/c", "train/cat/b", "test/dog/d")}
    listed = coco(*BOXED)
    listed["images"] = [{"id": 0, "file_name": "train/cat/a.jpg"}, {"id": 1, "file_name": "train/dog/c.jpg"}]
    dataset = read_dataset(plant(tmp_path / "folders", images | {"annotations/instances_train.json": listed}))
    assert told(dataset) == {
        "train/cat/a.jpg": ("train", {"cat": BOX}),
        "train/dog/c.jpg": ("train", {"dog": BOX}),
        "train/cat/b.jpg": ("train", {"cat": []}),
        "test/dog/d.jpg": ("test", {"dog": []}),
    }
    dataset = read_dataset(plant(tmp_path / "files", IMAGES | {"annotations/instances_train.json": coco(*BOXED)}))
    assert dataset.splits == {"train": 5}


def test_folders_that_are_no_classes_of_the_boxes_are_left_alone(tmp_path):
    other = {f"images/{name}.jpg": (40, 30) for name in ("monday/a", "monday/b", "friday/c", "friday/d")}
    listed = coco(*BOXED)
    listed["images"] = [{"id": 0, "file_name": "monday/a.jpg"}, {"id": 1, "file_name": "friday/c.jpg"}]
    listed["images"] += [{"id": 2, "file_name": "monday/b.jpg"}]
    dataset = read_dataset(plant(tmp_path, other | {"annotations.json": listed}))
    assert told(dataset) == {
        "monday/a.jpg": ("", {"cat": BOX}),
        "friday/c.jpg": ("", {"dog": BOX}),
        "monday/b.jpg": ("", {}),
    }


def test_a_base_name_that_several_images_have_is_not_guessed(tmp_path):
    images = IMAGES | {"images/dog/a.jpg": (40, 30)}
    dataset = read_dataset(plant(tmp_path, images | {"annotations.csv": CSV.format("a", "dog/c")}))
    assert [sample.path.is_file() for sample in dataset.samples if sample.image_id == "a"] == [False]
