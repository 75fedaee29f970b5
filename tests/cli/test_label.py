"""From images by way of localize to label files of every format, and back to what evaluate reads."""

import csv
import errno
import json
import os
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from refusals import refused
from small_graphs import run_folder

from weakspot.cli.app import main
from weakspot.data import read_dataset

FORMATS = ("coco", "yolo", "voc", "labelstudio", "csv", "masks")


def row(image, boxes, label="cat", class_index=3, score=0.5, **more):
    return {
        "image": image,
        "width": 40,
        "height": 30,
        "class_index": class_index,
        "label": label,
        "score": score,
        "method": "cam",
        "threshold": 0.2,
        "box": boxes[0] if boxes else None,
        "boxes": boxes,
        "notes": [],
    } | more


def write_rows(file, rows):
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))


def rows(file):
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def cells(file):
    with Path(file).open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Six images in the folders cat and dog, of the same names, and the rows of what was found in them."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        file = Path("photos", ("cat", "dog")[number % 2], f"{number // 2}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 30)).save(file)
    dogs = [row(f"photos/dog/{i}.png", [[5, 5, 20, 20]], "dog", 1, 0.5 + i / 10, doubt=i / 10) for i in range(3)]
    cats = [row(f"photos/cat/{i}.png", [[1, 2, 30, 29], [30, 2, 40, 9]], score=0.9 - i / 10) for i in range(3)]
    write_rows(Path("found/boxes.jsonl"), [*dogs, *cats])
    return Path("photos")


def label(*words):
    return main(["label", *map(str, words)])


def test_localized_images_become_labels_of_every_format_and_come_back(images, capsys):
    fast = ["--input-size", "64", "--quality", "plain", "--boxes", "all", "--save-masks", "--output", "run"]
    assert main(["localize", str(images), *fast]) == 0
    assert label("run", "photos", *(word for name in FORMATS for word in ("--format", name)), "--output", "out") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "out"
    found = {one["image"].removeprefix("photos/"): one for one in rows("run/boxes.jsonl")}
    for name in FORMATS[:-1]:
        words = ["--import", f"out/{name}", "--format", name, "--images", "photos", "--use-predictions"]
        assert label(*words, "--output", f"in-{name}") == 0
        boxes = {image: [] for image in found}
        for cell in cells(f"in-{name}/annotations.csv"):
            boxes[cell["image_id"]].append([float(cell[side]) for side in ("xmin", "ymin", "xmax", "ymax")])
        for image, one in found.items():
            assert boxes[image] == pytest.approx(np.array(one["boxes"]), abs=0.5 if name == "voc" else 1e-9)
        truth = ["--ground-truth", f"in-{name}/annotations.csv", "--samples", "0", "--output", f"e-{name}"]
        assert main(["evaluate", "photos", "--predicted-boxes", "run/boxes.jsonl", *truth]) == 0
        figures = json.loads(Path(f"e-{name}/metrics.json").read_text())
        assert "100" in json.dumps(figures)
    mask = np.asarray(Image.open("out/masks/masks/cat/0.png")) > 0
    assert (mask == np.asarray(Image.open("run/masks/photos/cat/0.png.png"))).all()


def test_what_comes_back_is_a_data_set_with_labels_for_training(images):
    assert label("found", "--format", "labelstudio", "--output", "out") == 0
    tasks = json.loads(Path("out/labelstudio/tasks.json").read_text())
    corrected = tasks[0]["predictions"][0]["result"]
    corrected[0]["value"]["rectanglelabels"] = ["cat"]
    tasks[0]["annotations"] = [{"result": corrected}]
    Path("export.json").write_text(json.dumps(tasks))
    words = ["--import", "export.json", "--format", "labelstudio", "--images", "photos", "--output", "in"]
    assert label(*words, "--use-predictions") == 0
    labels = {cell["image_id"]: cell["label"] for cell in cells("in/labels.csv")}
    assert labels["dog/2.png"] == "cat"
    assert labels["dog/0.png"] == "dog"
    assert [cell["score"] for cell in cells("in/annotations.csv") if cell["image_id"] == "dog/2.png"] == [""]
    assert main(["check", "in"]) in (0, 1)
    assert Path("in/images/cat/0.png").read_bytes() == Path("photos/cat/0.png").read_bytes()


def test_rows_are_labelled_without_naming_their_images_and_the_doubtful_come_first(images):
    assert label("found", "--format", "yolo", "--output", "out", "--image-files", "none") == 0
    review = cells("out/review.csv")
    assert [one["image"] for one in review] == [f"dog/{i}.png" for i in (2, 1, 0)] + [f"cat/{i}.png" for i in (2, 1, 0)]
    assert [one["uncertainty"] for one in review[:4]] == ["0.2", "0.1", "0.0", ""]
    assert not Path("out/yolo/images").exists()
    assert Path("out/classes.txt").read_text() == "dog\ncat\n"
    assert tomllib.loads(Path("out/label.toml").read_text())["images"] == str(images.absolute())


def test_what_a_model_finds_has_a_doubt_and_is_sorted_by_it(images):
    options = ["--quality", "plain", "--method", "gradcam", "--format", "csv", "--output", "out"]
    assert label("tf_efficientnet_lite0", "photos", *options) == 0
    doubts = [float(one["uncertainty"]) for one in cells("out/review.csv")]
    assert len(set(doubts)) > 3
    assert doubts == sorted(doubts, reverse=True)


def test_a_share_of_each_class_validates_and_links_lead_to_the_images(images):
    assert label("found", "--format", "yolo", "--val-fraction", "0.34", "--output", "out") == 0
    data = yaml.safe_load(Path("out/yolo/data.yaml").read_text())
    assert data == {"train": "images/train", "val": "images/val", "names": {0: "dog", 1: "cat"}}
    placed = sorted(Path("out/yolo/images").rglob("*.png"))
    assert len(placed) == 6
    assert sorted(path.parent.name for path in placed if "val" in path.parts) == ["cat", "dog"]
    for path in placed:
        assert path.read_bytes() == (images / path.parent.name / path.name).read_bytes()
        assert Path(str(path).replace("images", "labels")).with_suffix(".txt").is_file()
    assert (
        label("found", "--format", "yolo", "--val-fraction", "0.34", "--output", "again", "--image-files", "copy") == 0
    )
    assert [path.relative_to("out") for path in placed] == [
        path.relative_to("again") for path in sorted(Path("again/yolo/images").rglob("*.png"))
    ]


def test_the_splits_of_a_data_set_are_kept(images, capsys):
    lines = ["image_id,split", *(f"{kind}/{i},{'val' if i else 'train'}" for kind in ("cat", "dog") for i in range(3))]
    (images / "splits.csv").write_text("\n".join(lines))
    (images / "annotations.csv").write_text("image_id,xmin,ymin,xmax,ymax\ncat/0,1,1,5,5\n")
    assert label("found", "photos", "--val-fraction", "0.5", "--format", "csv", "--output", "out") == 0
    assert {one["image_id"]: one["split"] for one in cells("out/csv/splits.csv")} == {
        f"{kind}/{i}.png": "val" if i else "train" for kind in ("cat", "dog") for i in range(3)
    }
    assert "note: the images already have splits" in capsys.readouterr().out


def test_numbers_of_classes_stay_with_a_file_of_them(images):
    Path("names.txt").write_text("bird\ncat\n")
    assert label("found", "--format", "yolo", "--class-names", "names.txt", "--output", "out") == 1
    assert Path("out/yolo/labels/train/cat/0.txt").read_text().startswith("1 ")
    assert Path("out/yolo/labels/train/dog/0.txt").read_text() == ""
    wrong = [one["problem"] for one in rows("out/problems.jsonl")]
    assert wrong == ["dog 5,5,20,20 is of an unknown class: skipped"] * 3


def test_what_is_wrong_is_listed_and_the_rest_is_written(images, capsys):
    more = [row("photos/gone.png", [[1, 1, 5, 5]])]
    write_rows(Path("found/boxes.jsonl"), [*rows("found/boxes.jsonl")[:5], *more])
    write_rows(Path("found/skipped.jsonl"), [{"image": "photos/dog/9.png", "problem": "is damaged", "hint": ""}])
    assert label("found", "--output", "out") == 1
    listed = {one["image"]: one["problem"] for one in rows("out/problems.jsonl")}
    assert listed["photos/dog/9.png"] == "is damaged"
    assert listed["gone.png"] == "the image is unreadable: skipped"
    assert "problems: out/problems.jsonl" in capsys.readouterr().out
    assert label("found", "photos", "--output", "named") == 1
    assert any("no row" in one["problem"] for one in rows("named/problems.jsonl"))


def test_boxes_are_chosen_by_score_and_size(images):
    assert label("found", "--format", "csv", "--boxes", "largest", "--min-score", "0.65", "--output", "out") == 0
    found = [(one["image_id"], one["xmin"]) for one in cells("out/csv/annotations.csv")]
    assert found == [("dog/2.png", "5"), ("cat/0.png", "1"), ("cat/1.png", "1"), ("cat/2.png", "1")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--import"),
        (["nowhere.jsonl"], "nowhere.jsonl"),
        (["found", "--val-fraction", "1.5"], "1.5"),
        (["found", "--min-score", "2"], "--min-score"),
        (["found", "--max-overlap", "2"], "--max-overlap"),
        (["found", "--output", "photos"], "photos"),
        (["found", "--output", "photos", "--overwrite"], "photos"),
        (["found", "--format", "masks"], "mask"),
        (["tf_efficientnet_lite0"], "tf_efficientnet_lite0"),
        (["--import", "nowhere"], "nowhere"),
        (["found", "--import", "found"], "--import"),
    ],
)
def test_wrong_arguments_are_refused_and_leave_no_files(images, capsys, words, said):
    before = sorted(Path().rglob("*"))
    assert label(*words) == 2
    error = capsys.readouterr().err.splitlines()
    assert said in error[0]
    assert len(error) <= 2
    assert sorted(Path().rglob("*")) == before


def test_a_folder_of_labels_is_overwritten_only_if_asked(images):
    assert label("found", "--output", "out") == 0
    Path("out/mine.txt").write_text("kept until then")
    assert label("found", "--output", "out") == 2
    assert Path("out/mine.txt").exists()
    assert label("found", "--output", "out", "--overwrite", "--format", "voc") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "classes.txt",
        "label.toml",
        "predictions.csv",
        "review.csv",
        "voc",
    ]


def test_an_image_with_only_invalid_labels_is_skipped(images):
    assert label("found", "--format", "csv", "--output", "out") == 0
    file = Path("out/csv/annotations.csv")
    file.write_text(file.read_text().replace("dog/0.png,40,30,dog,5,5,20,20", "dog/0.png,40,30,dog,500,5,520,20"))
    assert label("--import", "out/csv", "--format", "csv", "--use-predictions", "--output", "in") == 1
    assert "dog/0.png" not in {one["image_id"] for one in cells("in/labels.csv")}
    assert [one["image"] for one in rows("in/problems.jsonl")] == ["dog/0.png", "dog/0.png"]


def test_images_that_the_labels_do_not_name_are_counted(images, capsys):
    assert label("found", "--format", "coco", "--output", "out") == 0
    Path("photos/cat/0.png").rename("photos/cat/9.png")
    words = ["--import", "out/coco", "--format", "coco", "--images", "photos", "--use-predictions"]
    assert label(*words, "--output", "in") == 1
    assert "note: 1 image in photos is not" in capsys.readouterr().out


def test_what_is_read_is_not_overwritten(images, capsys):
    assert label("found", "--format", "csv", "--output", "out") == 0
    words = ["--import", "out/csv", "--format", "csv", "--images", "photos"]
    assert label(*words, "--output", "out", "--overwrite") == 2
    assert "out/csv" in capsys.readouterr().err
    assert Path("out/csv/annotations.csv").is_file()


def test_images_are_named_as_in_the_data_set_that_keeps_them_in_a_folder(images):
    Path("set").mkdir()
    images.rename("set/images")
    moved = [one | {"image": one["image"].replace("photos", "set/images")} for one in rows("found/boxes.jsonl")]
    write_rows(Path("found/boxes.jsonl"), moved)
    assert label("found", "set", "--format", "yolo", "--output", "out") == 0
    assert Path("out/yolo/labels/train/cat/0.txt").is_file()


def test_yolo_says_where_a_folder_called_images_would_hide_labels(images):
    Path("photos/images").mkdir()
    Path("photos/cat").rename("photos/images/cat")
    moved = [one | {"image": one["image"].replace("/cat", "/images/cat")} for one in rows("found/boxes.jsonl")]
    write_rows(Path("found/boxes.jsonl"), moved)
    assert label("found", "--format", "yolo", "--output", "out") == 1
    listed = rows("out/problems.jsonl")
    assert [one["image"] for one in listed] == [f"images/cat/{i}.png" for i in (0, 1, 2)]


def test_boxes_that_bound_the_same_are_suppressed_if_asked(images):
    write_rows(Path("found/boxes.jsonl"), [row("photos/cat/0.png", [[0, 0, 20, 20], [1, 1, 20, 20], [30, 2, 40, 9]])])
    assert label("found", "--format", "csv", "--max-overlap", "0.5", "--output", "out") == 0
    assert [one["xmin"] for one in cells("out/csv/annotations.csv")] == ["0", "30"]


def test_a_full_disk_leaves_nothing(images, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(Path().rglob("*"))
    monkeypatch.setattr(Path, "write_bytes", full)
    assert label("found", "--output", "out") == 2
    error = capsys.readouterr().err.splitlines()
    assert "No space left on device" in error[0]
    assert sorted(Path().rglob("*")) == before


def chosen(file, *pairs):
    """Write an export of Label Studio with a choice for each image."""
    tasks = [
        {"data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}, "annotations": [{"result": [choice(label)]}]}
        for name, label in pairs
    ]
    Path(file).write_text(json.dumps(tasks))


def choice(label):
    return {"id": label, "type": "choices", "value": {"choices": [label]}}


def test_choices_of_images_become_labels_for_training_and_come_back(images):
    for i in range(3):
        Path(f"photos/dog/{i}.png").rename(f"photos/dog/d{i}.png")
    chosen("export.json", ("0.png", "cat"), ("d1.png", "dog"))
    words = ["--format", "labelstudio", "--images", "photos", "--output", "in"]
    assert label("--import", "export.json", *words) == 0
    assert [(one["image_id"], one["label"]) for one in cells("in/labels.csv")] == [
        ("cat/0.png", "cat"),
        ("dog/d1.png", "dog"),
    ]
    assert cells("in/annotations.csv") == []
    dataset = read_dataset("in")
    assert [[item.label for item in sample.objects] for sample in dataset.samples] == [["cat"], ["dog"]]
    assert label("--import", "in", "--format", "csv", "--output", "again") == 0
    assert cells("again/labels.csv") == cells("in/labels.csv")


def test_labels_beside_a_box_are_kept(images):
    Path("photos/dog").rename("dogs")
    item = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
    results = [{"id": "r", "type": "rectanglelabels", "value": item}, choice("cat"), choice("dog")]
    task = {"data": {"image": "/data/upload/1/0.png"}, "annotations": [{"result": results}]}
    Path("export.json").write_text(json.dumps([task]))
    assert label("--import", "export.json", "--format", "labelstudio", "--images", "photos", "--output", "in") == 0
    (sample,) = read_dataset("in").samples
    assert [(item.label, item.box) for item in sample.objects] == [("cat", (0, 0, 20, 15)), ("dog", None)]


def test_images_may_be_next_to_the_labels(images):
    Path("photos/cat/classes.txt").write_text("cat\n")
    Path("photos/cat/0.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    assert label("--import", "photos/cat", "--format", "yolo", "--output", "in") == 0
    assert [(one["image_id"], one["xmin"]) for one in cells("in/annotations.csv")] == [("0.png", "10")]


def test_an_archive_is_refused(images, capsys):
    Path("export.zip").write_bytes(b"PK")
    assert label("--import", "export.zip", "--format", "coco", "--images", "photos") == 2
    assert "export.zip is an archive" in capsys.readouterr().err


@pytest.fixture
def cats_and_dogs(images):
    """A run with random weights, whose classes the folders are named after."""
    Path("run").mkdir()
    run_folder(Path("run"))
    return images


@pytest.mark.parametrize(("words", "is_folders"), [([], True), (["--classes", "predicted"], False)])
def test_the_class_is_that_of_the_folder_unless_the_prediction_is_asked_for(cats_and_dogs, words, is_folders, capsys):
    assert label("run", cats_and_dogs, "--format", "csv", "--output", "out", *words) == 0
    told = capsys.readouterr().out
    assert " of 6 predictions differ from the folder's class" in told
    assert ("--classes predicted" in told) == is_folders
    labels = {cell["image_id"]: cell["label"] for cell in cells("out/csv/labels.csv")}
    assert len(labels) == 6
    assert all(image.split("/")[0] == name for image, name in labels.items()) == is_folders


def test_a_class_may_be_named_for_all_images_but_not_in_a_file_or_for_rows(cats_and_dogs, capsys):
    assert label("run", cats_and_dogs, "--format", "csv", "--output", "out", "--classes", "owl") == 0
    assert {cell["label"] for cell in cells("out/csv/labels.csv")} == {"owl"}
    Path("names.txt").write_text("cat\ndog\n")
    for words, said in ((["--classes", "names.txt"], "--class-names names.txt"), (["--classes", "cow"], "cow")):
        assert label("run", cats_and_dogs, *words) == 2
        assert said in capsys.readouterr().err
    assert label("found", "--classes", "cat") == 2
    assert "found" in capsys.readouterr().err


@pytest.mark.parametrize("name", FORMATS[:-1])
def test_predictions_do_not_come_back_as_labels_of_a_person_unless_asked_for(images, capsys, name):
    assert label("found", "--format", name, "--output", "out") == 0
    words = ["--import", f"out/{name}", "--format", name, "--images", "photos", "--output", "in"]
    assert label(*words) == 2
    assert "All 9 labels" in capsys.readouterr().err
    assert not Path("in").exists()
    assert label(*words, "--use-predictions") == 0
    assert "9 labels are predictions" in capsys.readouterr().out
    assert [cell["score"] for cell in cells("in/annotations.csv")] == [""] * 9
    assert {sample.split for sample in read_dataset("in").samples} <= {"", "train"}


@pytest.fixture
def reviewed(images):
    """An export of tasks: confirmed, emptied, corrected, and others that nobody has annotated; the first two names."""
    assert label("found", "--format", "labelstudio", "--output", "out") == 0
    tasks = json.loads(Path("out/labelstudio/tasks.json").read_text())
    corrected = json.loads(json.dumps(tasks[2]["predictions"][0]["result"]))
    corrected[0]["value"]["rectanglelabels"] = ["cat"]
    results = (tasks[0]["predictions"][0]["result"], [], corrected)
    for task, result in zip(tasks, results, strict=False):
        task["annotations"] = [{"result": result}]
    Path("export.json").write_text(json.dumps(tasks))
    return [task["data"]["name"] for task in tasks]


REVIEWED = ("--import", "export.json", "--format", "labelstudio", "--images", "photos", "--output", "in")


def statuses(file="in/labels.csv"):
    return {cell["image_id"]: (cell["status"], cell["label"]) for cell in cells(file)}


def test_only_what_a_person_has_confirmed_comes_back_and_emptied_images_are_counted(reviewed, capsys):
    assert label(*REVIEWED, "--deleted", "empty") == 0
    told = capsys.readouterr().out
    assert "6 labels are predictions" in told
    assert "1 image has no object left: it trains as background" in told
    assert "1 confirmed, 1 corrected, 1 empty, 3 untouched" in told
    first, second, third, *others = reviewed
    touched = {first: ("confirmed", "dog"), second: ("empty", ""), third: ("corrected", "cat")}
    assert statuses() == touched | dict.fromkeys(others, ("untouched", ""))
    assert {one["image_id"] for one in cells("in/annotations.csv")} == {first, third}
    found = {one.path.relative_to("in/images").as_posix(): one.status for one in read_dataset("in").samples}
    assert found == {first: "confirmed", second: "empty", third: "corrected"}
    assert {one.path.name for one in read_dataset("in", ground_truth="in/labels.csv").samples} == {
        Path(name).name for name in (first, second, third)
    }
    assert label("--import", "in", "--format", "csv", "--images", "photos", "--output", "again") == 0
    assert statuses("again/labels.csv") == statuses()


def test_what_the_deletion_of_all_boxes_means_is_asked(reviewed, capsys):
    assert label(*REVIEWED) == 2
    problem, hint = capsys.readouterr().err.splitlines()
    assert f"1 image ({reviewed[1]})" in problem
    assert "--deleted empty" in hint
    assert "--deleted untouched" in hint
    assert not Path("in").exists()
    assert label(*REVIEWED, "--deleted", "untouched") == 0
    assert statuses()[reviewed[1]] == ("untouched", "")
    assert not Path("in/images", reviewed[1]).exists()


def test_an_image_that_was_empty_before_is_not_asked_for(reviewed):
    tasks = json.loads(Path("export.json").read_text())
    tasks[1]["predictions"] = [{"result": []}]
    Path("export.json").write_text(json.dumps(tasks))
    assert label(*REVIEWED) == 0
    assert statuses()[reviewed[1]] == ("empty", "")


def test_predictions_that_are_used_are_confirmed(reviewed):
    assert label(*REVIEWED, "--use-predictions", "--deleted", "empty") == 0
    assert [status for status, _ in statuses().values()].count("confirmed") == 4
    assert "untouched" not in {status for status, _ in statuses().values()}


def test_rows_and_masks_of_predictions_have_their_scores(images):
    assert label("found", "--format", "csv", "--output", "out") == 0
    assert [cell["score"] for cell in cells("out/csv/labels.csv")] == ["0.5", "0.6", "0.7", "0.9", "0.8", "0.7"]
    with refused("labels-are-predictions", "All 9 "):
        read_dataset("out/csv")


@pytest.fixture
def turned(tmp_path, monkeypatch):
    """Images that EXIF turns, 200 x 100 as stored."""
    monkeypatch.chdir(tmp_path)
    Path("im").mkdir()
    for orientation in (3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (200, 100)).save(f"im/o{orientation}.png", exif=exif)
    return (20.0, 10.0, 60.0, 30.0)


def write_coco(sizes, corners=()):
    """COCO JSON with a box of 20, 10, 60, 30 in each image, and a segmentation."""
    images = [{"id": i, "file_name": name, "width": w, "height": h} for i, (name, (w, h)) in enumerate(sizes.items())]
    boxes = [
        {"image_id": one["id"], "category_id": 1, "bbox": [20, 10, 40, 20], "segmentation": list(corners)}
        for one in images
    ]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "nut"}]}
    Path("boxes.json").write_text(json.dumps(content))


def imported(*words):
    assert label("--import", *words, "--images", "im", "--output", "back") == 0
    sides = ("xmin", "ymin", "xmax", "ymax")
    return {one["image_id"]: tuple(float(one[side]) for side in sides) for one in cells("back/annotations.csv")}


def test_labels_of_stored_pixels_are_converted_if_other_images_prove_it(turned, capsys):
    write_coco({"o3.png": (200, 100), "o6.png": (200, 100), "o8.png": (0, 0)}, [[150, 10, 190, 10, 190, 30]])
    boxes = imported("boxes.json", "--format=coco")
    assert boxes == {"o3.png": (140, 70, 180, 90), "o6.png": (70, 20, 90, 60), "o8.png": (10, 140, 30, 180)}
    assert "EXIF" not in capsys.readouterr().out
    assert all(Path(f"back/masks/o{i}.png").exists() for i in (3, 6, 8)), "its polygon is in the stored pixels only"


def test_an_assumed_frame_of_labels_is_said(turned, capsys):
    write_coco({"o3.png": (200, 100), "o6.png": (0, 0)})
    assert imported("boxes.json", "--format=coco") == {"o3.png": turned, "o6.png": turned}
    assert "note: 2 x image that EXIF turns" in capsys.readouterr().out


def test_yolo_does_not_say_for_which_pixels_it_is_unless_it_was_written_here(turned, capsys):
    Path("yolo/labels").mkdir(parents=True)
    Path("yolo/classes.txt").write_text("nut\n")
    Path("yolo/labels/o6.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    assert imported("yolo", "--format=yolo") == {"o6.png": (37.5, 75, 62.5, 125)}
    assert "note: 1 x image that EXIF turns" in capsys.readouterr().out
    Path("yolo/label.toml").touch()
    assert label("--import", "yolo", "--format=yolo", "--images=im", "--output=again") == 0
    assert "EXIF" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["yolo", "voc", "csv", "coco"])
def test_predictions_are_known_in_a_copy_of_the_folder_of_a_format(images, capsys, name):
    assert label("found", "photos", f"--format={name}", "--val-fraction=0.3", "--output=out") == 0
    shutil.copytree(f"out/{name}", "elsewhere/copy")
    words = ["--import", "elsewhere/copy", f"--format={name}", "--output", "back"]
    assert label(*words) == 2
    assert "predictions" in capsys.readouterr().err


def test_labels_of_images_are_counted_as_such(images, capsys):
    for i in range(3):
        Path(f"photos/dog/{i}.png").rename(f"photos/dog/d{i}.png")
    chosen("export.json", ("0.png", "cat"), ("d1.png", "dog"))
    assert label("--import", "export.json", "--format=labelstudio", "--images=photos", "--output=back") == 0
    assert capsys.readouterr().out.startswith("2 labels in 2 images\n")


def test_files_that_are_passed_over_are_counted(images, capsys):
    Path("photos/cat/film.mp4").touch()
    assert label(run_folder(Path("model")), "photos", "--format=csv", "--quality=plain", "--output=out") == 0
    assert "film.mp4" in capsys.readouterr().out


@pytest.mark.parametrize("sizes", [{"o3.png": (200, 100), "o6.png": (200, 100)}, {"o3.png": (200, 100)}])
def test_boxes_that_are_imported_are_those_that_are_scored(turned, sizes, capsys):
    """Nothing in the second file proves its frame: evaluate does not assume that of the import, but says so."""
    write_coco(sizes)
    found = imported("boxes.json", "--format=coco")
    capsys.readouterr()
    write_rows(Path("found/boxes.jsonl"), [upright_row(name, box) for name, box in found.items()])
    for number, words in enumerate((["back"], ["im", "--ground-truth=boxes.json"])):
        scored = ["--predicted-boxes=found/boxes.jsonl", "--test-split=all", "--samples=0", f"--output=e{number}"]
        assert main(["evaluate", *words, *scored]) == 0
        is_assumed = "EXIF" in capsys.readouterr().out
        assert is_assumed == (number == 1 and len(sizes) == 1)
        assert {one["iou"] == 1 for one in rows(f"e{number}/images.jsonl")} == {not is_assumed}


def upright_row(name, box):
    width, height = (200, 100) if name == "o3.png" else (100, 200)
    return row(name, [list(box)], "nut", 0, width=width, height=height)
