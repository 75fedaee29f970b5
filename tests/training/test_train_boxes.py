"""Class folders of which a person has drawn boxes in some images."""

import json

import pytest
from refusals import refused
from small_runs import LEARNING, disc, small

from weakspot.cli.app import main
from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import REVIEW, ReviewRow, append_review, read_review
from weakspot.inference.localizer import Localizer
from weakspot.models.checkpoint import read_metadata
from weakspot.training import train

COUNT = 12  # images of each color


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Red and blue discs in class folders, and beside them the boxes of some, and two images that are empty."""
    folder = tmp_path_factory.mktemp("boxes")
    for number in range(2 * COUNT):
        color = ("red", "blue")[number % 2]
        image, box = disc(color, number)
        file = folder / "photos" / color / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
        if number < 8:
            items = (ObjectAnnotation(color, tuple(map(float, box))),)
            append_review(folder / REVIEW, ReviewRow(f"{color}/{number}.png", "corrected", items, (64, 64)))
        elif number < 10:
            append_review(folder / REVIEW, ReviewRow(f"{color}/{number}.png", "empty", (), (64, 64)))
    return folder / "photos"


def test_a_run_says_what_it_learns_from(photos, tmp_path, capsys):
    run = small(photos, tmp_path / "run", boxes=photos.parent, learn_from="all", epochs=1)
    told = capsys.readouterr().err
    assert "8 boxes of 2 classes, 14 images by label alone, 2 images without an object" in told
    assert "2 images have no label and train as background." in told
    assert read_metadata(run).info.class_names == ("blue", "red", "background")
    assert str(photos.parent) in (run / "config.toml").read_text()


@pytest.mark.parametrize("learn_from", ["all", "labels"])
def test_boxes_teach_where_objects_are_unless_only_labels_should(learn_from, photos, tmp_path, capsys):
    run = small(photos, tmp_path / "run", boxes=photos.parent, learn_from=learn_from, **LEARNING)
    head = Localizer(run, backend="torch").torch_backend.classifier.foreground
    assert (head.objects is not None) == (learn_from == "all")
    assert ("8 boxes of 2 classes taught a head" in capsys.readouterr().err) == (learn_from == "all")
    assert ("8 boxes" in read_metadata(run).threshold_from) == (learn_from == "all")


def test_images_by_label_alone_are_not_background(photos, tmp_path, capsys):
    rows = [row for row in read_review(photos.parent / REVIEW).values() if row.objects]
    for row in rows:
        append_review(tmp_path / REVIEW, row)
    run = small(photos, tmp_path / "run", boxes=tmp_path / REVIEW, learn_from="all", epochs=1)
    assert "8 boxes of 2 classes, 16 images by label alone." in capsys.readouterr().err
    assert read_metadata(run).info.class_names == ("blue", "red")


def test_what_is_wrong_with_the_boxes_is_told_before_training(photos, tmp_path):
    (tmp_path / REVIEW).write_text(json.dumps({"image": "none.png", "status": "empty", "size": [64, 64]}))
    with refused("boxes-unmatched", "none.png"):
        train(photos, boxes=tmp_path, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_resumed_with_other_boxes(photos, tmp_path, monkeypatch):
    for row in read_review(photos.parent / REVIEW).values():
        append_review(tmp_path / REVIEW, row)
    monkeypatch.setattr("weakspot.training.run.finalize", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        small(photos, tmp_path / "run", boxes=tmp_path, epochs=1)
    moved = (ObjectAnnotation("red", (1.0, 1.0, 9.0, 9.0)),)
    append_review(tmp_path / REVIEW, ReviewRow("red/0.png", "corrected", moved, (64, 64), 1))
    with refused("data-changed", "run"):
        train(resume=tmp_path / "run")


def _interrupt(*_, **__):
    raise KeyboardInterrupt


def test_thresholds_are_refitted_to_the_boxes(photos, tmp_path, capsys):
    run = small(photos, tmp_path / "run", epochs=1)
    capsys.readouterr()
    assert main(["threshold", str(run), str(photos), "--boxes", str(photos.parent)]) == 0
    assert "GT-known Loc of 8 boxes" in capsys.readouterr().out


@pytest.mark.parametrize("beside", [True, False])
def test_boxes_teach_and_choose_thresholds_although_their_masks_do_not_exist(tmp_path, capsys, beside):
    folder = tmp_path / "photos"
    rows = ["image_id,xmin,ymin,xmax,ymax,class,has_mask"]
    for number in range(2 * COUNT):
        color = ("red", "blue")[number % 2]
        image, box = disc(color, number)
        (folder / color).mkdir(parents=True, exist_ok=True)
        image.save(folder / color / f"{number}.png")
        if number < 16:
            rows.append(",".join(map(str, (f"{color}/{number}", *box, color, 1))))
    file = (folder if beside else tmp_path) / "annotations.csv"
    file.write_text("\n".join(rows))
    run = small(folder, tmp_path / "run", **({} if beside else {"boxes": file}), learn_from="all", epochs=1)
    told = capsys.readouterr().err
    masks = file.parent / "masks"
    assert f"16 masks do not exist, such as {masks}" in told
    assert told.count("do not exist") == 1
    assert "It learns from 16 boxes of 2 classes" in told
    assert "teach nothing:" not in told
    assert "box" in read_metadata(run).threshold_from
