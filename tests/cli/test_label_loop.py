"""The whole round: train, localize, label in every format, correct, and score and learn what comes back."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weakspot.cli.app import main
from weakspot.data import read_dataset
from weakspot.data.synthetic import SceneSettings, write_scenes

pytestmark = pytest.mark.usefixtures("one_thread")

FORMATS = ("coco", "yolo", "voc", "labelstudio", "csv", "masks")
SMALL = ("--backbone=test_efficientnet", "--weights=none", "--input-size=64", "--workers=0", "--epochs=1")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Sixteen scenes, what a small run finds in them, and labels of it in every format."""
    folder = tmp_path_factory.mktemp("round")
    scenes = write_scenes(folder / "scenes", {"train": 12, "val": 4}, SceneSettings(2, size=64))
    assert main(["train", str(scenes), *SMALL, f"--output={folder / 'run'}"]) == 0
    found = ["--model", str(folder / "run"), "--boxes", "all", "--save-masks", "--output", str(folder / "found")]
    assert main(["localize", str(scenes / "images"), *found]) == 0
    formats = [f"--format={name}" for name in FORMATS]
    assert main(["label", str(folder / "found"), str(scenes), *formats, "--output", str(folder / "labels")]) == 1
    return folder


@pytest.fixture
def here(labelled, tmp_path, monkeypatch):
    shutil.copytree(labelled / "labels", tmp_path / "labels", symlinks=True)
    monkeypatch.chdir(tmp_path)
    return labelled


def cells(file):
    with Path(file).open(newline="") as lines:
        return list(csv.DictReader(lines))


BOX = (4, 6, 30, 40)


def corrected_coco(moved, emptied, label):
    for file in Path("labels/coco/annotations").glob("*.json"):
        content = json.loads(file.read_text())
        ids = {one["file_name"]: one["id"] for one in content["images"]}
        numbers = {one["name"]: one["id"] for one in content["categories"]}
        gone = {ids.get(moved), ids.get(emptied)}
        kept = [one for one in content["annotations"] if one["image_id"] not in gone]
        new = {"id": 999, "image_id": ids.get(moved), "category_id": numbers[label], "bbox": [4, 6, 26, 34]}
        content["annotations"] = kept + ([new] if moved in ids else [])
        file.write_text(json.dumps(content))


def corrected_yolo(moved, emptied, label):
    number = Path("labels/classes.txt").read_text().split().index(label)
    for name, line in ((moved, f"{number} {17 / 64} {23 / 64} {26 / 64} {34 / 64}\n"), (emptied, "")):
        (file,) = Path("labels/yolo/labels").rglob(str(Path(name).with_suffix(".txt")))
        file.write_text(line)


def corrected_voc(moved, emptied, label):
    box = "<xmin>5</xmin><ymin>7</ymin><xmax>30</xmax><ymax>40</ymax>"
    marked = f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"
    for name, objects in ((moved, marked), (emptied, "")):
        file = Path("labels/voc/Annotations", name).with_suffix(".xml")
        file.write_text(f"<annotation><filename>{Path(name).name}</filename>{objects}</annotation>")


def corrected_labelstudio(moved, emptied, label):
    file = Path("labels/labelstudio/tasks.json")
    tasks = {one["data"]["name"]: one for one in json.loads(file.read_text())}
    place = {"x": 400 / 64, "y": 600 / 64, "width": 2600 / 64, "height": 3400 / 64, "rectanglelabels": [label]}
    region = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": place}
    tasks[moved]["annotations"] = [{"result": [region]}]
    tasks[emptied]["annotations"] = [{"result": []}]
    file.write_text(json.dumps(list(tasks.values())))


def corrected_csv(moved, emptied, label):
    file = Path("labels/csv/annotations.csv")
    kept = [line for line in file.read_text().splitlines() if not line.startswith((moved, emptied))]
    file.write_text("\n".join([*kept, f"{moved},64,64,{label},4,6,30,40,"]) + "\n")


def corrected_masks(moved, emptied, label):
    number = Path("labels/classes.txt").read_text().split().index(label) + 1
    for name, value in ((moved, number), (emptied, 0)):
        file = Path("labels/masks/masks", name).with_suffix(".png")
        pixels = np.zeros((64, 64), np.uint8)
        pixels[6:40, 4:30] = value
        Image.fromarray(pixels).save(file)


CORRECTED = {name: globals()[f"corrected_{name}"] for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_person_corrects_is_scored_against_and_learnt_from(here, name):
    before = {row["image"]: row for row in map(json.loads, Path(here, "found/boxes.jsonl").read_text().splitlines())}
    names = sorted(Path(image).relative_to(here / "scenes/images").as_posix() for image in before)
    moved, emptied = names[0], names[-1]
    classes = Path("labels/classes.txt").read_text().split()
    (label,) = set(classes) - {before[str(here / "scenes/images" / moved)]["label"]} or {classes[0]}
    CORRECTED[name](moved, emptied, label)
    words = [f"labels/{name}", f"--format={name}", f"--images={here / 'scenes/images'}", "--use-predictions"]
    assert main(["label", "--import", *words]) == 2, "it asks what an emptied image means"
    assert main(["label", "--import", *words, "--deleted=empty"]) == 0

    rows = cells("imported/annotations.csv")
    (row,) = [one for one in rows if one["image_id"] == moved]
    assert (row["class"], row["score"]) == (label, "")
    assert tuple(float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")) == pytest.approx(BOX)
    assert {one["image_id"] for one in rows} == set(names) - {emptied}
    assert {one["image_id"]: one["label"] for one in cells("imported/labels.csv")}[emptied] == ""

    truths = {one.path.name: one.annotations for one in read_dataset("imported").samples}
    assert truths[Path(emptied).name] == (), "its folder is called as a class, yet nothing is in it"
    boxes = ["--predicted-boxes", str(here / "found/boxes.jsonl"), "--test-split=all", "--samples=0", "--output=scored"]
    assert main(["evaluate", "imported", *boxes]) == 0
    assert len(Path("scored/images.jsonl").read_text().splitlines()) == len(names) - 1


@pytest.mark.exhaustive
def test_the_next_round_learns_from_what_came_back(here, capsys):
    emptied = next(one["image_id"] for one in cells("labels/csv/splits.csv") if one["split"] == "train")
    file = Path("labels/csv/annotations.csv")
    kept = [line for line in file.read_text().splitlines() if not line.startswith(emptied)]
    file.write_text("\n".join(kept) + "\n")
    words = ["--format=csv", "--use-predictions", "--deleted=empty", "--output=corrected"]
    assert main(["label", "--import", "labels/csv", *words]) == 0
    capsys.readouterr()
    for number, words in enumerate((["corrected"], ["corrected", "--labels=corrected/labels.csv"])):
        assert main(["train", *words, *SMALL, f"--output=run{number}"]) == 0
        assert "12 training and 4 validation images, 3 classes" in capsys.readouterr().err, "one is the background"
        assert (
            main(["evaluate", f"run{number}", "corrected", "--test-split=all", "--samples=0", f"--output=e{number}"])
            == 0
        )
