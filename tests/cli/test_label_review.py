"""Labels of images that a person has reviewed."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from reviews import BOX, HEIGHT, WIDTH, write_found

from weakspot.cli.app import main
from weakspot.data import ObjectAnnotation, read_dataset
from weakspot.data.review_rows import REVIEW, ReviewRow, append_review

NAMES = ("cat/0000.png", "dog/0001.png", "owl/0002.png", "cat/0003.png", "dog/0004.png")
DRAWN = (5.0, 6.0, 50.0, 60.0)
SIDES = ("xmin", "ymin", "xmax", "ymax")


@pytest.fixture
def found(tmp_path, monkeypatch):
    """A review: corrected, confirmed and empty images, one whose decision is withdrawn, and one that is untouched."""
    monkeypatch.chdir(tmp_path)
    write_found(tmp_path, heatmaps=False)
    decide(NAMES[0], "corrected", ("cat", DRAWN), ("emu", DRAWN))
    decide(NAMES[1], "confirmed", ("dog", BOX))
    decide(NAMES[2], "empty")
    decide(NAMES[3], "empty")
    decide(NAMES[3], "untouched")
    return Path("found")


def decide(name, status, *objects):
    items = tuple(ObjectAnnotation(label, tuple(box)) for label, box in objects)
    append_review(Path("found") / REVIEW, ReviewRow(name, status, items, (HEIGHT, WIDTH)))


def label(*words):
    return main(["label", *map(str, words)])


def cells(file):
    with Path(file).open(newline="") as lines:
        return list(csv.DictReader(lines))


def boxes(folder="out/csv"):
    """Class, box and score of each object, by image."""
    by_image = {}
    for one in cells(f"{folder}/annotations.csv"):
        box = tuple(float(one[side]) for side in SIDES)
        by_image.setdefault(one["image_id"], []).append((one["class"], box, one["score"]))
    return by_image


AS_REVIEWED = {
    NAMES[0]: [("cat", DRAWN, ""), ("emu", DRAWN, "")],
    NAMES[1]: [("dog", tuple(BOX), "")],
    NAMES[3]: [("cat", tuple(BOX), "0.5")],
    NAMES[4]: [("dog", tuple(BOX), "0.5")],
}


@pytest.mark.parametrize("source", ["found", "found/boxes.jsonl", "found/review.jsonl"])
def test_images_are_as_a_person_said_and_the_others_as_predicted(found, source, capsys):
    assert label(source, "--format=csv", "--output=out") == 0
    assert boxes() == AS_REVIEWED
    told = {one["image_id"]: (one["status"], one["label"]) for one in cells("out/csv/labels.csv")}
    assert list(told) == list(NAMES), "the order of the images stays"
    assert list(told.values()) == [
        ("corrected", "cat;emu"),
        ("confirmed", "dog"),
        ("empty", ""),
        ("untouched", "cat"),
        ("untouched", "dog"),
    ]
    note = "3 images as reviewed: 1 confirmed, 1 corrected, 1 without objects; 2 are predictions."
    assert note in capsys.readouterr().out


def test_without_a_decision_labels_are_those_of_a_folder_that_is_not_reviewed(found, capsys):
    for name in NAMES[:3]:
        decide(name, "untouched")
    assert label("found", "--format=csv", "--output=out") == 0
    assert "reviewed" not in capsys.readouterr().out
    (found / REVIEW).unlink()
    assert label("found", "--format=csv", "--output=plain") == 0
    for name in ("annotations.csv", "labels.csv", "predictions.csv"):
        assert Path("out/csv", name).read_text() == Path("plain/csv", name).read_text()


@pytest.mark.parametrize(
    "words", [["--min-score=0.9"], ["--max-overlap=0.1"], ["--boxes=best"], ["--min-score=0.9", "--boxes=largest"]]
)
def test_boxes_of_a_person_are_kept_whatever_the_limits_are(found, words):
    decide(NAMES[0], "corrected", ("cat", DRAWN), ("cat", (*DRAWN[:3], 61.0)))
    assert label("found", "--format=csv", "--output=out", *words) == 0
    assert len(boxes()[NAMES[0]]) == 2
    assert len(boxes()[NAMES[1]]) == 1
    assert (NAMES[4] in boxes()) == ("--min-score=0.9" not in words)


def test_coco_lists_all_images_and_a_score_for_predictions_only(found):
    assert label("found", "--format=coco", "--output=out") == 0
    content = json.loads(Path("out/coco/annotations/instances_all.json").read_text())
    assert [one["file_name"] for one in content["images"]] == list(NAMES)
    assert [one["file_name"] for one in content["images"] if "uncertainty" in one] == list(NAMES[3:])
    assert [one["name"] for one in content["categories"]] == ["cat", "dog", "emu"]
    assert [(one["image_id"], one["bbox"], one.get("score")) for one in content["annotations"]] == [
        (1, [5, 6, 45, 54], None),
        (1, [5, 6, 45, 54], None),
        (2, [40, 30, 80, 60], None),
        (4, [40, 30, 80, 60], 0.5),
        (5, [40, 30, 80, 60], 0.5),
    ]


def test_yolo_and_voc_keep_empty_images_and_new_classes(found):
    assert label("found", "--format=yolo", "--format=voc", "--output=out") == 0
    assert yaml.safe_load(Path("out/yolo/data.yaml").read_text())["names"] == {0: "cat", 1: "dog", 2: "emu"}
    lines = Path("out/yolo/labels/train/cat/0000.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "2"]
    assert Path("out/yolo/labels/train/owl/0002.txt").read_text() == ""
    assert "<object>" not in Path("out/voc/Annotations/owl/0002.xml").read_text()
    assert "<name>emu</name>" in Path("out/voc/Annotations/cat/0000.xml").read_text()


def test_in_label_studio_decisions_are_annotations_and_come_last(found):
    assert label("found", "--format=labelstudio", "--output=out") == 0
    tasks = json.loads(Path("out/labelstudio/tasks.json").read_text())
    assert [task["data"]["name"] for task in tasks] == [NAMES[3], NAMES[4], *NAMES[:3]]
    assert [len(task["annotations"][0]["result"]) if "annotations" in task else None for task in tasks] == [
        None,
        None,
        2,
        1,
        0,
    ]
    assert [one["image"] for one in cells("out/review.csv")] == [task["data"]["name"] for task in tasks]


def test_only_boxes_that_a_person_has_not_changed_have_masks(found):
    decide(NAMES[0], "corrected", ("cat", DRAWN))
    decide(NAMES[3], "corrected", ("cat", BOX), ("cat", DRAWN))
    for name in NAMES:
        write_mask(found / "masks" / f"{Path('images', name).absolute().relative_to('/')}.png")
    assert label("found", "--format=masks", "--format=coco", "--output=out") == 1
    content = json.loads(Path("out/coco/annotations/instances_all.json").read_text())
    assert [(one["image_id"], bool(one["segmentation"])) for one in content["annotations"]] == [
        (1, False),
        (2, True),
        (4, True),
        (4, False),
        (5, True),
    ]
    files = {path.relative_to("out/masks/masks").as_posix() for path in Path("out/masks/masks").rglob("*.png")}
    assert files == set(NAMES[1:]), "a black mask would say that the first image is empty"
    assert not np.asarray(Image.open(f"out/masks/masks/{NAMES[2]}")).any()
    problems = [json.loads(line)["image"] for line in Path("out/problems.jsonl").read_text().splitlines()]
    assert problems == [NAMES[0], NAMES[3]]


def write_mask(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[30:90, 40:120] = 255
    Image.fromarray(pixels).save(file)


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "labelstudio", "csv"])
@pytest.mark.parametrize("folder", ["out", "elsewhere"])
def test_what_a_person_said_comes_back_from_every_format_and_predictions_do_not(found, name, folder, capsys):
    assert label("found", f"--format={name}", "--output=out") == 0
    if folder == "elsewhere":
        shutil.copytree(f"out/{name}", f"elsewhere/{name}")
    words = ["--import", f"{folder}/{name}", f"--format={name}", "--images=images", "--output=in"]
    assert label(*words) == 0
    assert boxes("in") == {image: AS_REVIEWED[image] for image in NAMES[:2]}
    labels = {one["image_id"]: (one["status"], one["label"]) for one in cells("in/labels.csv")}
    assert labels[NAMES[2]] == ("empty", "")
    assert [labels[image] for image in NAMES[3:]] == [("untouched", "")] * 2
    assert labels[NAMES[0]][1] == "cat;emu"
    if name in ("labelstudio", "csv"):
        assert [labels[image][0] for image in NAMES[:2]] == ["corrected", "confirmed"]
    assert "2 labels are predictions" in capsys.readouterr().out


def test_labels_of_a_review_are_a_data_set_whose_predictions_are_left_out(found):
    assert label("found", "--format=csv", "--val-fraction=0.4", "--output=out") == 0
    samples = {sample.path.name: sample for sample in read_dataset("out/csv").samples}
    assert sorted(samples) == ["0000.png", "0001.png", "0002.png"]
    assert samples["0000.png"].objects[0].box == DRAWN
    assert samples["0002.png"].objects == ()
    assert {one["image_id"] for one in cells("out/csv/splits.csv")} == set(NAMES)


def test_a_prediction_that_a_person_changes_in_the_csv_file_later_is_that_of_a_person(found):
    assert label("found", "--format=csv", "--output=out") == 0
    file = Path("out/csv/annotations.csv")
    file.write_text(file.read_text().replace(f"{NAMES[4]},200,150,dog,40", f"{NAMES[4]},200,150,dog,45"))
    assert label("--import", "out/csv", "--format=csv", "--output=in") == 0
    assert {one["image_id"]: one["status"] for one in cells("in/labels.csv")} == {
        NAMES[0]: "corrected",
        NAMES[1]: "confirmed",
        NAMES[2]: "empty",
        NAMES[3]: "untouched",
        NAMES[4]: "corrected",
    }


def test_only_the_images_that_are_asked_for_are_written(found, capsys):
    assert label("found", "images/dog", "--format=csv", "--output=out") == 0
    assert boxes() == {name.removeprefix("dog/"): AS_REVIEWED[name] for name in (NAMES[1], NAMES[4])}
    told = capsys.readouterr().out
    assert "1 images as reviewed" in told
    assert "left out" not in told


def test_an_image_whose_boxes_cannot_be_stored_is_skipped_and_not_empty(found, capsys):
    Path("names.txt").write_text("dog\nowl\n")
    assert label("found", "--format=csv", "--class-names=names.txt", "--output=out") == 1
    assert [one["image_id"] for one in cells("out/csv/labels.csv")] == [*NAMES[1:]]
    listed = [json.loads(line)["image"] for line in Path("out/problems.jsonl").read_text().splitlines()]
    assert listed.count(NAMES[0]) == 3


def test_decisions_on_images_that_were_not_localized_are_told(found, capsys):
    decide("cow/0009.png", "empty")
    assert label("found", "--format=csv", "--output=out") == 0
    assert boxes() == AS_REVIEWED
    assert "note: 1 decisions of review.jsonl are left out: their images (cow/0009.png)" in capsys.readouterr().out


def test_a_damaged_review_is_refused_with_its_line(found, capsys):
    (found / REVIEW).write_text('{"image": 5}\n{}\n')
    assert label("found", "--output=out") == 2
    assert f"{found / REVIEW}, line 1" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("source", ["found", "found/review.jsonl"])
def test_a_review_needs_no_import(found, source, capsys):
    assert label("--import", source, "--output=in") == 2
    problem, hint = capsys.readouterr().err.splitlines()
    assert source in problem
    assert hint.endswith("weakspot label found")
