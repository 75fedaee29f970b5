"""What a person said in a review takes the place of what was predicted."""

import json
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import REVIEW, ReviewRow, append_review
from weakspot.data.rle import encode_rle
from weakspot.labels.decisions import read_decisions, with_decisions
from weakspot.labels.from_localizations import LocalizedImage, name_classes, select_boxes, suppress_overlaps

MASK = encode_rle(np.ones((30, 40), bool))
BOX, OTHER = (5.0, 5.0, 20.0, 20.0), (1.0, 2.0, 30.0, 29.0)


def predicted(name, label="cat", index=3, *, box=BOX, score=0.5):
    item = ObjectAnnotation(label, box, score=score, mask=MASK)
    return LocalizedImage(Path(name), 40, 30, (item,), (index,), 0.7)


def row(*objects, status="corrected", size=(30, 40)):
    return ReviewRow("a.png", status, tuple(ObjectAnnotation(label, box) for label, box in objects), size)


def decided(images, **rows):
    return with_decisions(images, {Path(f"{name}.png").absolute(): one for name, one in rows.items()})


def test_touched_images_have_the_objects_of_a_person_and_the_others_their_predictions():
    images = [predicted("a.png"), predicted("b.png"), predicted("c.png")]
    found = decided(images, a=row(("cat", OTHER)), c=row(status="empty"))
    assert [image.path.name for image in found] == ["a.png", "b.png", "c.png"]
    assert [image.status for image in found] == ["corrected", "untouched", "empty"]
    assert [image.objects for image in found] == [(ObjectAnnotation("cat", OTHER),), images[1].objects, ()]
    assert [image.uncertainty for image in found] == [None, 0.7, None]


def test_without_a_decision_nothing_changes():
    images = [predicted("a.png")]
    assert decided(images) == images


@pytest.mark.parametrize(
    ("label", "box", "size", "has_mask"),
    [
        pytest.param("cat", BOX, (30, 40), True, id="as it was"),
        pytest.param("cat", (5.0, 5.5, 20.0, 19.5), (30, 40), True, id="rounded"),
        pytest.param("cat", (5.0, 6.0, 20.0, 20.0), (30, 40), False, id="another box"),
        pytest.param("dog", BOX, (30, 40), False, id="another class"),
        pytest.param("cat", BOX, (30, 41), False, id="another size of the image"),
    ],
)
def test_only_a_box_that_is_as_it_was_predicted_keeps_its_mask(label, box, size, has_mask):
    (found,) = decided([predicted("a.png")], a=row((label, box), size=size))
    assert found.objects == (ObjectAnnotation(label, box, mask=MASK if has_mask else None),)
    assert (found.height, found.width) == size


def test_a_class_that_was_not_predicted_comes_after_all_others():
    images = [predicted("a.png"), predicted("b.png", "dog", 1)]
    found = decided(images, a=row(("owl", BOX), ("dog", OTHER), ("ant", BOX)))
    assert found[0].class_indices == (5, 1, 4)
    names, named = name_classes(found)
    assert names == ("dog", "ant", "owl")
    assert [item.label for item in named[0].objects] == ["owl", "dog", "ant"]


def test_of_classes_of_one_name_that_of_the_image_counts():
    images = [predicted("a.png", "crane", 517), predicted("b.png", "crane", 134), predicted("c.png")]
    found = decided(images, a=row(("crane", OTHER)), c=row(("crane", OTHER)))
    assert [image.class_indices for image in found] == [(517,), (134,), (134,)]


def test_boxes_of_a_person_are_never_selected_away():
    (found,) = decided([predicted("a.png")], a=row(("cat", BOX), ("cat", (5.0, 5.0, 20.0, 21.0))))
    assert select_boxes(found, min_score=1.0, first_only=True) == found
    assert suppress_overlaps(found, 0.0) == found


def test_predictions_beside_them_are():
    found = decided([predicted("a.png"), predicted("b.png", score=0.4)], a=row(("cat", OTHER)))
    assert [len(select_boxes(image, min_score=0.5).objects) for image in found] == [1, 0]


@pytest.fixture
def folder(tmp_path):
    """Output of localize for images/cat/1.png and images/dog/1.png, which is not reviewed yet."""
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
    found = tmp_path / "found"
    found.mkdir()
    (found / "localize.toml").write_text(f"sources = ['{tmp_path / 'images'}']\n")
    write_rows(found / "boxes.jsonl", tmp_path, "cat/1.png", "dog/1.png")
    return found


def write_rows(file, folder, *names):
    file.write_text("".join(json.dumps({"image": str(folder / "images" / name)}) + "\n" for name in names))


def decide(folder, name, status="empty"):
    append_review(folder / REVIEW, ReviewRow(name, status, (), (30, 40)))


def decisions(folder):
    found = read_decisions(folder, [folder / "boxes.jsonl"])
    names = {path.relative_to(folder.parent / "images").as_posix(): row.status for path, row in found.rows.items()}
    return names, found.note


def test_a_folder_that_is_not_reviewed_has_no_decisions(folder):
    assert decisions(folder) == ({}, "")


def test_names_are_relative_to_the_folder_that_was_localized(folder):
    decide(folder, "dog/1.png")
    assert decisions(folder) == ({"dog/1.png": "empty"}, "")


def test_the_last_decision_counts_and_a_withdrawn_one_does_not(folder):
    for name, status in (("cat/1.png", "empty"), ("dog/1.png", "empty"), ("dog/1.png", "untouched")):
        decide(folder, name, status)
    assert decisions(folder) == ({"cat/1.png": "empty"}, "")


def test_decisions_on_other_images_are_counted_and_named(folder):
    for name, status in (("1.png", "empty"), ("cow/1.png", "empty"), ("ox/1.png", "untouched")):
        decide(folder, name, status)
    found, note = decisions(folder)
    assert found == {}
    assert note.startswith("2 ")
    assert "1.png, cow/1.png" in note


def test_a_shard_has_the_names_of_the_whole_run(folder):
    (folder / "localize.toml").unlink()
    (folder / "boxes.jsonl").unlink()
    shards = [folder / f"boxes-00000{i}.jsonl" for i in range(2)]
    for shard, name in zip(shards, ("cat/1.png", "dog/1.png"), strict=True):
        write_rows(shard, folder.parent, name)
    decide(folder, "dog/1.png")
    found = read_decisions(folder, shards[1:])
    assert ([row.image for row in found.rows.values()], found.note) == (["dog/1.png"], "")


def test_a_damaged_row_is_refused_with_its_line(folder):
    decide(folder, "cat/1.png")
    with (folder / REVIEW).open("a") as file:
        file.write('{"image": "dog/1.png", "status": "fine"}\n')
    with refused("review-invalid", "line 2", "fine"):
        decisions(folder)
