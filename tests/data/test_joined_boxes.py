"""Class folders joined with the boxes that a person has drawn in some of their images."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from trees import plant, turned, voc

from weakspot.data import ObjectAnnotation, read_dataset
from weakspot.data.annotation_kinds import describe_annotations
from weakspot.data.joined_boxes import RELABELED, UNUSABLE, join_boxes, join_notes
from weakspot.data.label_frames import resolve_frames
from weakspot.data.review_rows import REVIEW, ReviewRow, Sampling, append_review

NAMES = ("cat/a", "cat/b", "cat/d", "dog/a", "dog/c", "owl/e")
BOX = (1.0, 2.0, 31.0, 22.0)
# A cat has a box, as has a dog that is an owl; a cat's image is empty. Of dog/a and owl/e nothing is said.
DRAWN = {"cat/b.jpg": ["cat"], "dog/c.jpg": ["owl"], "cat/d.jpg": []}
CLASSES = ["cat", "owl"]
LINES = {
    name: "".join(f"{CLASSES.index(label)} 0.4 0.4 0.75 {20 / 30}\n" for label in found)
    for name, found in DRAWN.items()
}


def coco(listed=DRAWN):
    boxed = {name: found for name, found in listed.items() if found}
    return {
        "images": [{"id": name, "file_name": name, "width": 40, "height": 30} for name in listed],
        "annotations": [
            {"image_id": name, "category_id": found[0], "bbox": [1, 2, 30, 20]} for name, found in boxed.items()
        ],
        "categories": [{"id": name, "name": name} for name in CLASSES],
    }


FORMATS = {
    "csv of label --import": {
        "boxes/annotations.csv": "image_id,width,height,class,xmin,ymin,xmax,ymax,score\n"
        "cat/b.jpg,40,30,cat,1,2,31,22,\ndog/c.jpg,40,30,owl,1,2,31,22,\n",
        "boxes/labels.csv": "image_id,label,split,width,height,score,status\ncat/b.jpg,cat,,40,30,,confirmed\n"
        "dog/c.jpg,owl,val,40,30,,corrected\ncat/d.jpg,,,40,30,,empty\nowl/e.jpg,,,40,30,,untouched\n",
        "boxes/images/cat/b.jpg": (40, 30),
    },
    "voc": {
        f"boxes/{name[:-4]}.xml": voc(*((label, 2, 3, 31, 22) for label in found)) for name, found in DRAWN.items()
    },
    "yolo": {f"boxes/labels/{name[:-4]}.txt": text for name, text in LINES.items()}
    | {"boxes/classes.txt": "cat\nowl\n"},
}


@pytest.fixture
def photos(tmp_path):
    return plant(tmp_path / "photos", {f"{name}.jpg": (40, 30) for name in NAMES})


def joined(photos, boxes, **options):
    return join_boxes(read_dataset(photos), boxes, **options)


def told(dataset):
    """The status of each image, and the classes and boxes in it."""
    return {
        sample.path.relative_to(dataset.root).as_posix(): (
            sample.status,
            [(item.label, item.box and tuple(np.round(item.box, 6).tolist())) for item in sample.objects],
        )
        for sample in dataset.samples
    }


def expected(confirmed="corrected"):
    by_label = {f"{name}.jpg": ("", [(name[:3], None)]) for name in NAMES}
    return by_label | {
        "cat/b.jpg": (confirmed, [("cat", BOX)]),
        "dog/c.jpg": ("corrected", [("owl", BOX)]),
        "cat/d.jpg": ("empty", []),
    }


@pytest.mark.parametrize("name", FORMATS)
def test_images_that_nobody_has_touched_keep_their_labels(photos, tmp_path, name):
    plant(tmp_path, FORMATS[name])
    dataset = joined(photos, tmp_path / "boxes")
    assert told(dataset) == expected("confirmed" if "csv" in name else "corrected")
    assert dataset.splits == {"": 6}
    assert dataset.class_names == ("cat", "dog", "owl")
    assert [(issue.kind, issue.where) for issue in dataset.issues] == [(RELABELED, ("dog/c",))]
    assert join_notes(dataset)[0].startswith("1 x image whose label")
    assert describe_annotations(dataset.samples) == (
        "2 boxes of 2 classes, 3 images by label alone, 1 image without an object"
    )


@pytest.mark.parametrize("place", ["review", f"review/{REVIEW}"])
def test_rows_of_a_review(photos, tmp_path, place):
    file = tmp_path / "review" / REVIEW
    append_review(file, ReviewRow("owl/e.jpg", "empty", (), (30, 40)))
    for name, found in DRAWN.items():
        items = tuple(ObjectAnnotation(label, BOX) for label in found)
        append_review(file, ReviewRow(name, "corrected" if found else "empty", items, (30, 40)))
    append_review(file, ReviewRow("owl/e.jpg", "untouched", (), (30, 40), 1))
    assert told(joined(photos, tmp_path / place)) == expected()


def test_joined_images_of_a_review_know_how_they_were_offered(photos, tmp_path):
    for number, (name, found) in enumerate(DRAWN.items()):
        items = tuple(ObjectAnnotation(label, BOX) for label in found)
        offer = "random" if number else "uncertain"
        sampling = Sampling("90ab", number + 1, offer, right=False)
        status = "corrected" if found else "empty"
        append_review(tmp_path / REVIEW, ReviewRow(name, status, items, (30, 40), 0, sampling))
    samples = joined(photos, tmp_path / REVIEW).samples
    assert [sample.path for sample in samples if sample.by_uncertainty] == [photos / next(iter(DRAWN))]


def test_coco_that_lists_an_image_without_an_object_says_nothing_of_it(photos, tmp_path):
    plant(tmp_path, {"boxes/annotations/instances.json": coco()})
    untouched = expected() | {"cat/d.jpg": ("", [("cat", None)])}
    for place in ("boxes", "boxes/annotations/instances.json"):
        assert told(joined(photos, tmp_path / place)) == untouched


def test_boxes_that_weakspot_wrote_and_nobody_has_changed_are_untouched(photos, tmp_path):
    header = "image_id,width,height,class,xmin,ymin,xmax,ymax,score\n"
    written = {
        "boxes/coco/predictions.csv": f"{header}cat/b.jpg,40,30,cat,1,2,31,22,0.5\ndog/c.jpg,40,30,dog,1,2,31,22,0.5\n"
    }
    plant(tmp_path, written | {"boxes/coco/annotations/instances.json": coco()})
    dataset = joined(photos, tmp_path / "boxes")
    assert told(dataset)["cat/b.jpg"] == ("", [("cat", None)])
    assert told(dataset)["dog/c.jpg"] == ("corrected", [("owl", BOX)])
    used = told(joined(photos, tmp_path / "boxes", use_predictions=True))
    assert used["cat/b.jpg"] == ("confirmed", [("cat", BOX)])


def test_what_the_deletion_of_all_boxes_means_is_asked(photos, tmp_path):
    rows = ["image_id,width,height,class,xmin,ymin,xmax,ymax,score", "cat/d.jpg,40,30,cat,1,2,31,22,0.5\n"]
    plant(tmp_path, FORMATS["yolo"] | {"boxes/predictions.csv": "\n".join(rows)})
    with refused("deleted-boxes", "1 image (cat/d.jpg)", "--deleted"):
        joined(photos, tmp_path / "boxes")


def test_indexed_masks(photos, tmp_path):
    plant(tmp_path, {"boxes/classes.txt": "cat\nowl\n", "boxes/masks": None})
    for name, found in DRAWN.items():
        file = tmp_path / "boxes/masks" / f"{name[:-4]}.png"
        file.parent.mkdir(exist_ok=True)
        pixels = np.zeros((30, 40), np.uint8)
        pixels[2:22, 1:31] = CLASSES.index(found[0]) + 1 if found else 0
        Image.fromarray(pixels).save(file)
    dataset = joined(photos, tmp_path / "boxes")
    assert told(dataset) == expected()
    assert sum(item.mask is not None for sample in dataset.samples for item in sample.objects) == 2


@pytest.mark.parametrize(
    "name", ["b.jpg", "b", "photos/cat/b.jpg", "/home/me/photos/cat/b.jpg", "images/train/photos/cat/b.jpg"]
)
def test_images_are_matched_by_the_ends_of_their_paths(photos, tmp_path, name):
    plant(tmp_path, {"boxes.json": coco({name: ["cat"]})})
    assert told(joined(photos, tmp_path / "boxes.json"))["cat/b.jpg"] == ("corrected", [("cat", BOX)])


@pytest.mark.parametrize("name", ["a.jpg", "none.jpg", "owl/b.jpg"])
def test_an_image_that_matches_none_or_several_is_refused_by_name(photos, tmp_path, name):
    row = {"image": name, "status": "empty", "objects": [], "size": [30, 40]}
    plant(
        tmp_path,
        {
            "boxes.json": coco({name: ["cat"]}),
            "boxes.csv": f"image,class,xmin,ymin,xmax,ymax\n{name},cat,1,2,31,22\n",
            "boxes.jsonl": json.dumps(row),
            "voc/x.xml": voc(("cat", 1, 2, 3, 4), filename=name),
            f"yolo/labels/{name[:-4]}.txt": "0 0.5 0.5 0.1 0.1\n",
            "yolo/classes.txt": "cat\n",
        },
    )
    for boxes in ("boxes.json", "boxes.csv", "boxes.jsonl", "yolo"):
        with refused("boxes-unmatched", name[:-4], f"1 image of {tmp_path / boxes} matches none"):
            joined(photos, tmp_path / boxes)
    with refused("boxes-unmatched", "x.xml"):
        joined(photos, tmp_path / "voc")


def review_of(tmp_path, sizes):
    """A review in which a person has drawn a box in images of these sizes, by name."""
    for name, size in sizes.items():
        append_review(tmp_path / REVIEW, ReviewRow(name, "corrected", (ObjectAnnotation("cat", BOX),), size))
    return tmp_path / REVIEW


def test_boxes_in_another_image_of_the_same_name_are_not_joined(photos, tmp_path):
    """They were drawn in a flat folder, of which no image has the size of its namesake."""
    boxes = review_of(tmp_path, {"b.jpg": (480, 640), "c.jpg": (40, 30)})
    with refused("boxes-unmatched", "b.jpg", "640 x 480", "40 x 30"):
        joined(photos, boxes)


def test_boxes_for_an_image_of_another_size_are_told_and_leave_its_label(photos, tmp_path):
    dataset = joined(photos, review_of(tmp_path, {"b.jpg": (480, 640), "owl/e.jpg": (30, 40)}))
    assert told(dataset)["cat/b.jpg"] == ("", [("cat", None)])
    assert told(dataset)["owl/e.jpg"] == ("corrected", [("cat", BOX)])
    issues = {issue.kind: issue.where for issue in dataset.issues}
    assert [where.partition(":")[0] for where in issues[UNUSABLE]] == ["cat/b.jpg"]


@pytest.mark.parametrize("name", [" sp .png", "x\\y.png", "c.png\u2028.png"])
@pytest.mark.parametrize("folder", ["", "cat/"])
def test_names_of_a_review_are_read_as_they_are_written(photos, tmp_path, folder, name):
    plant(photos, {f"cat/{name}": (40, 30), "cat/sp .png": (40, 30)})
    found = told(joined(photos, review_of(tmp_path, {f"{folder}{name}": (30, 40)})))
    assert [image for image, (status, _) in found.items() if status] == [f"cat/{name}"]


def test_names_of_a_review_of_another_system(photos, tmp_path):
    plant(photos, {"cat/c.jpg": (40, 30)})
    found = told(joined(photos, review_of(tmp_path, {"cat\\c.jpg": (30, 40), "dog/c.jpg": (30, 40)})))
    assert [image for image, (status, _) in found.items() if status] == ["cat/c.jpg", "dog/c.jpg"]


@pytest.mark.parametrize("size", [(30, 40), (40, 30)])
def test_boxes_for_stored_and_for_upright_pixels_are_joined(photos, tmp_path, size):
    turned(photos / "cat/b.jpg", 40, 30, orientation=6)
    assert told(joined(photos, review_of(tmp_path, {"b.jpg": size})))["cat/b.jpg"] == ("corrected", [("cat", BOX)])


def test_a_label_that_cannot_be_used_is_told_and_does_not_empty_its_image(photos, tmp_path):
    broken = {"boxes/labels/cat/b.txt": "7 0.4 0.4 0.75 0.5\n", "boxes/labels/owl/e.txt": LINES["dog/c.jpg"]}
    plant(tmp_path, broken | {"boxes/classes.txt": "cat\nowl\n"})
    dataset = joined(photos, tmp_path / "boxes")
    assert told(dataset)["cat/b.jpg"] == ("", [("cat", None)])
    assert told(dataset)["owl/e.jpg"] == ("corrected", [("owl", BOX)])
    (issue,) = dataset.issues
    assert (issue.kind, len(issue.where)) == (UNUSABLE, 1)
    assert issue.where[0].startswith("cat/b.jpg: line 1")


@pytest.mark.parametrize("name", ["boxes\0", "b" * 300, "pipe.jsonl"])
def test_a_path_that_is_no_file_is_refused(photos, tmp_path, name):
    os.mkfifo(tmp_path / "pipe.jsonl")
    with refused("labels-not-found"):
        joined(photos, tmp_path / name)


def test_splits_are_those_of_the_images(tmp_path):
    photos = plant(
        tmp_path / "photos", {f"{split}/{name}.jpg": (40, 30) for split in ("train", "val") for name in NAMES}
    )
    plant(tmp_path, {"boxes.json": coco({"val/cat/b.jpg": ["cat"]})})
    dataset = joined(photos, tmp_path / "boxes.json")
    assert dataset.splits == {"train": 6, "val": 6}
    assert [sample.path.parts[-3] for sample in dataset.samples if sample.status] == ["val"]


def test_boxes_of_a_review_are_those_of_the_upright_image(tmp_path):
    photos = plant(tmp_path / "photos", {"cat/a.jpg": (40, 30), "dog/b.jpg": (40, 30)})
    turned(photos / "cat/a.jpg", 40, 30, orientation=3)
    append_review(tmp_path / REVIEW, ReviewRow("cat/a.jpg", "corrected", (ObjectAnnotation("cat", BOX),), (30, 40)))
    (sample,) = [one for one in joined(photos, tmp_path).samples if one.status]
    assert sample.objects[0].box == (9.0, 8.0, 39.0, 28.0), "of the stored pixels, which are decoded"
    dataset = read_dataset(photos, ground_truth=tmp_path / REVIEW)
    assert [one.objects[0].box for one in dataset.samples] == [BOX, None]
    resolved = resolve_frames(dataset, tmp_path / REVIEW, [""])
    assert resolved.samples[0].objects[0].box == (9.0, 8.0, 39.0, 28.0)


@pytest.mark.parametrize(
    ("files", "code", "value"),
    [
        ({}, "labels-not-found", "boxes"),
        ({"boxes/notes.txt": "none"}, "unknown-layout", "boxes"),
        ({"boxes/tasks.json": []}, "unknown-layout", "label --import"),
        ({"boxes/coco/annotations.json": coco(), "boxes/voc/a.xml": voc()}, "unknown-layout", "coco, voc"),
        ({f"boxes/{REVIEW}": ""}, "boxes-empty", "boxes"),
        ({f"boxes/{REVIEW}": "{}\n"}, "review-invalid", "line 1"),
    ],
)
def test_what_has_no_boxes_is_refused(photos, tmp_path, files, code, value):
    plant(tmp_path, files)
    with refused(code, value):
        joined(photos, tmp_path / "boxes")
