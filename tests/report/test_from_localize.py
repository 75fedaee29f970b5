import json

import numpy as np
import pytest
from refusals import refused
from results_made import row, write_data, write_localized, write_picture, write_rows, write_trained

from weakspot.report import read_report_data
from weakspot.report.from_localize import best_iou, read_localized


def test_each_row_is_an_item(tmp_path):
    content = read_report_data(write_localized(tmp_path / "found"))
    assert content.kind == "Localizations"
    assert [(item.label, item.score, item.frame) for item in content.items] == [
        ("cat", 0.9, (60, 80)),
        ("dog", 0.2, (80, 60)),
        ("cat", 0.6, (40, 40)),
    ]
    assert content.items[0].boxes == ((10, 20, 30, 40),)
    assert content.items[0].uncertainty is None


def test_further_classes_and_doubt_are_read(tmp_path):
    folder = write_localized(
        tmp_path / "found",
        lambda images: [row(images / "a.jpg", uncertainty=0.25, others=[row(images / "a.jpg", "dog", class_index=7)])],
    )
    pixels = np.zeros((8, 8), np.uint8)
    write_picture(folder, "heatmaps", tmp_path / "photos/a.jpg", pixels)
    write_picture(folder, "heatmaps", tmp_path / "photos/a.jpg", pixels, which=".7")
    cat, dog = read_localized(folder).items
    assert (cat.label, cat.uncertainty, dog.label, dog.uncertainty) == ("cat", 0.25, "dog", None)
    assert cat.heatmap is not None
    assert cat.heatmap.name == "a.jpg.png"
    assert dog.heatmap is not None
    assert dog.heatmap.name == "a.jpg.7.png"


def test_the_uncertainty_of_a_run_of_version_0_1_is_read(tmp_path):
    write_rows(tmp_path / "boxes.jsonl", [row("a.jpg", doubt=0.25)])
    assert read_localized(tmp_path).items[0].uncertainty == 0.25


def test_saved_pictures_settings_and_skipped_images_are_found(tmp_path):
    folder = write_localized(tmp_path / "found")
    write_picture(folder, "masks", tmp_path / "photos/a.jpg", np.zeros((8, 8), bool))
    write_picture(folder, "plots", tmp_path / "photos/b.jpg", np.zeros((8, 8, 3), np.uint8))
    (folder / "localize.toml").write_text('model = "resnet50"\nboxes = "all"\nmin_area = 0.05\n')
    (folder / "skipped.jsonl").write_text('{"image": "z.jpg", "problem": "is empty"}\n')
    content = read_localized(folder)
    assert [item.mask is not None for item in content.items] == [True, False, False]
    assert [item.plot is not None for item in content.items] == [False, True, False]
    assert content.items[0].threshold == (0.5, 0.05, False, 0.0)
    assert content.settings["model"] == "resnet50"
    assert content.version is None
    assert content.skipped == (("z.jpg", "is empty"),)


def test_the_version_that_wrote_it_and_how_it_cut_are_told(tmp_path):
    folder = write_localized(
        tmp_path / "found", lambda images: [row(images / "a.jpg"), row(images / "b.jpg", boxes=[])]
    )
    (folder / "localize.toml").write_text('weakspot = "0.3.0"\nboxes = "split"\nmin_area = 0\nmin_score = 0.2\n')
    content = read_localized(folder)
    assert (content.version, "weakspot" in content.settings) == ("0.3.0", False)
    assert [item.threshold for item in content.items] == [(0.5, 0.0, True, 0.4), None], (
        "without a box there is nothing to cut"
    )


def test_settings_that_are_no_numbers_are_refused(tmp_path):
    folder = write_localized(tmp_path / "found")
    (folder / "localize.toml").write_text('min_area = "small"\n')
    with refused("settings-invalid", "localize.toml", "'small'"):
        read_localized(folder)


def test_true_boxes_come_from_a_data_set(tmp_path):
    data = write_data(tmp_path / "data")
    images = data / "images"
    write_rows(
        tmp_path / "found/boxes.jsonl",
        [
            row(images / "cat/a.jpg", "Cat"),
            row(images / "dog/b.jpg", "dog"),
            row(images / "dog/b.jpg", "cat", method="x"),
        ],
    )
    items = read_report_data(tmp_path / "found", data=data).items
    assert [item.iou for item in items] == [1.0, 0.0, None]
    assert items[1].true_boxes == ((0, 0, 10, 10),)


def test_a_data_set_of_other_images_is_reported(tmp_path):
    data = write_data(tmp_path / "data")
    write_rows(tmp_path / "found/boxes.jsonl", [row(tmp_path / "elsewhere/a.jpg", "cat")])
    (note,) = read_localized(tmp_path / "found", data).notes
    assert str(data) in note
    write_rows(tmp_path / "found/boxes.jsonl", [row(data / "images/cat/a.jpg", "cat")])
    assert read_localized(tmp_path / "found", data).notes == ()


def test_a_run_can_be_fitted_to_the_ground_truth(tmp_path):
    data, run = write_data(tmp_path / "data"), tmp_path / "my run"
    folder = write_localized(tmp_path / "found")
    (folder / "localize.toml").write_text(f"model = '{run}'\n")
    assert read_localized(folder, data).refit == "", "there is no such run"
    run.mkdir()
    write_trained(run)
    assert read_localized(folder, data).refit == f"weakspot threshold '{run}' {data}"
    assert read_localized(folder).refit == ""
    write_rows(folder / "boxes.jsonl", [row(tmp_path / "photos/a.jpg", method="psol")])
    assert read_localized(folder, data).refit == "", "it predicts boxes"


def test_a_wrong_class_is_as_wrong_as_can_be_and_a_further_one_is_not_judged(tmp_path):
    image = write_data(tmp_path / "data") / "images/dog/b.jpg"
    found = row(image, "cat", boxes=[[0, 0, 10, 10]], others=[row(image, "fox", class_index=7)])
    write_rows(tmp_path / "found/boxes.jsonl", [found])
    wrong, further = read_report_data(tmp_path / "found", data=tmp_path / "data").items
    assert (wrong.iou, wrong.true_boxes, wrong.facts["true class"]) == (0.0, ((0, 0, 10, 10),), "dog")
    assert (further.iou, further.true_boxes, "true class" in further.facts) == (None, (), False)


def test_images_that_have_moved_are_found(tmp_path):
    folder = write_localized(tmp_path / "found", lambda images: [row("elsewhere/photos/a.jpg"), row("photos/b.jpg")])
    assert read_localized(folder).items[1].image == tmp_path / "photos/b.jpg", "beside the results"
    assert read_localized(folder, images=tmp_path / "photos").items[0].image == tmp_path / "photos/a.jpg"


def test_the_first_box_is_compared_with_the_true_box_that_it_fits_best():
    boxes, truths = ((0, 0, 10, 10), (20, 20, 30, 30)), ((20, 20, 30, 30), (0, 0, 10, 20))
    assert best_iou(boxes, truths) == pytest.approx(0.5)
    assert best_iou((), truths) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"boxes": [[1, 2, 3]]},
        {"score": None},
        {"score": float("nan")},
        {"width": "wide"},
        {"width": 0},
        {"image": None},
        {"others": [3]},
        {"boxes": None},
        {"uncertainty": "much"},
    ],
)
def test_a_row_of_something_else_is_refused(tmp_path, wrong):
    (tmp_path / "boxes.jsonl").write_text(json.dumps(row("a.jpg") | wrong) + "\n")
    with refused("row-invalid", "boxes.jsonl, line 1"):
        read_localized(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with refused("results-not-found", tmp_path):
        read_report_data(tmp_path)
    with refused("results-not-found", "none"):
        read_report_data(tmp_path / "none")


def test_logits_are_read_if_they_are_there(tmp_path):
    write_rows(tmp_path / "boxes.jsonl", [row("a.jpg", logits=[1.5, -2]), row("b.jpg", logits=None), row("c.jpg")])
    assert [item.logits for item in read_localized(tmp_path).items] == [(1.5, -2.0), (), ()]
