"""What a model has predicted does not count as what a person has labeled."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from refusals import refused

from weakspot.data import Dataset, ObjectAnnotation, Sample, check_dataset, read_dataset
from weakspot.data.predictions import (
    LEFT_OUT,
    USED,
    deleted_images,
    mark_written,
    prediction_notes,
    resolve_predictions,
)
from weakspot.data.written_labels import is_written

BOX, OTHER = (1.0, 2.0, 30.0, 40.0), (5.0, 5.0, 9.0, 9.0)
DRAWN, FOUND = ObjectAnnotation("cat", BOX), ObjectAnnotation("dog", OTHER, score=0.5)


def dataset(**objects):
    """A data set with an image for each name."""
    samples = tuple(Sample(name, Path(name), objects=tuple(found)) for name, found in objects.items())
    return Dataset(Path("set"), "labels", ("cat", "dog"), samples)


def kept(found):
    return {sample.image_id: sample.objects for sample in found.samples}


def test_predictions_are_left_out_and_an_image_that_has_nothing_else_is_not_empty():
    found = resolve_predictions(dataset(drawn=[DRAWN], both=[DRAWN, FOUND], found=[FOUND], empty=[]), use=False)
    assert kept(found) == {"drawn": (DRAWN,), "both": (DRAWN,), "empty": ()}
    assert [(issue.kind, issue.where) for issue in found.issues] == [(LEFT_OUT, ("both: dog", "found: dog"))]
    (note,) = prediction_notes(found)
    assert note.startswith("2 labels are predictions")
    assert "--use-predictions" in note


def test_predictions_that_are_used_are_labels_and_counted():
    given = dataset(both=[DRAWN, FOUND], label=[ObjectAnnotation("cat"), FOUND], empty=[])
    found = resolve_predictions(given, use=True)
    confirmed = replace(FOUND, score=None)
    assert kept(found) == {"both": (DRAWN, confirmed), "label": (confirmed,), "empty": ()}
    assert [(issue.kind, len(issue.where)) for issue in found.issues] == [(USED, 2)]
    assert prediction_notes(found)[0].startswith("2 labels are predictions")


def test_all_that_is_said_of_an_image_that_nobody_has_labeled_is_a_prediction():
    given = dataset(drawn=[DRAWN], found=[DRAWN], empty=[])
    given = replace(given, samples=(given.samples[0], *(replace(one, predicted=True) for one in given.samples[1:])))
    left = resolve_predictions(given, use=False)
    assert kept(left) == {"drawn": (DRAWN,)}
    assert left.issues[0].where == ("found: cat", "empty: no object")
    used = resolve_predictions(given, use=True)
    assert kept(used) == {"drawn": (DRAWN,), "found": (DRAWN,), "empty": ()}
    assert not any(sample.predicted for sample in used.samples)


def test_labels_of_a_person_stay_as_they_are():
    given = dataset(drawn=[DRAWN], empty=[])
    assert resolve_predictions(given, use=False) is resolve_predictions(given, use=True) is given
    assert prediction_notes(given) == ()


def test_labels_that_are_all_predictions_are_refused():
    with refused("labels-are-predictions", "All 2 ", "set", "--use-predictions"):
        resolve_predictions(dataset(one=[FOUND], two=[FOUND], empty=[]), use=False)


@pytest.fixture
def written(tmp_path):
    """What weakspot label leaves in its folder."""
    (tmp_path / "yolo").mkdir()
    (tmp_path / "label.toml").touch()
    row = "found.jpg,100,100,dog,5,5,9,9,0.5"
    (tmp_path / "predictions.csv").write_text(f"image_id,width,height,class,xmin,ymin,xmax,ymax,score\n{row}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("box", "label", "score"),
    [
        pytest.param((5.0, 5.0, 9.0, 9.0), "dog", 0.5, id="unchanged"),
        pytest.param((5.0, 4.5, 9.5, 10.0), "dog", 0.5, id="rounded"),
        pytest.param((5.0, 5.0, 9.0, 10.1), "dog", None, id="another box"),
        pytest.param((5.0, 5.0, 9.0, 9.0), "cat", None, id="another class"),
    ],
)
def test_boxes_that_nobody_has_changed_since_they_were_written_are_predictions(written, box, label, score):
    given = dataset(found=[ObjectAnnotation(label, box), ObjectAnnotation(label)], other=[DRAWN])
    marked = kept(mark_written(given, written / "yolo"))
    assert [item.score for item in marked["found"]] == ([None] if score is None else [score, None])
    assert marked["other"] == (DRAWN,)


@pytest.mark.parametrize(
    ("image", "box", "score"),
    [
        pytest.param("found", OTHER, 0.5, id="unchanged"),
        pytest.param("found", BOX, None, id="changed in a tool that keeps the score"),
        pytest.param("train/found", OTHER, 0.5, id="in the folder of its split"),
        pytest.param("other", BOX, 0.7, id="of an image without boxes of ours"),
    ],
)
def test_a_changed_box_is_that_of_a_person_also_with_a_score(written, image, box, score):
    given = dataset(**{image: [ObjectAnnotation("dog", box, score=0.7)]})
    assert [item.score for item in kept(mark_written(given, written))[image]] == [score]


TWO = [ObjectAnnotation("dog", OTHER), ObjectAnnotation("cat", BOX)]


@pytest.mark.parametrize(
    ("boxes", "status"),
    [
        pytest.param(TWO, "untouched", id="unchanged"),
        pytest.param(TWO[::-1], "untouched", id="in another order"),
        pytest.param(TWO[:1], "corrected", id="one deleted"),
        pytest.param([*TWO, TWO[0]], "corrected", id="one drawn"),
        pytest.param([TWO[0], replace(TWO[1], label="dog")], "corrected", id="one of another class"),
        pytest.param([], "empty", id="all deleted"),
    ],
)
def test_what_a_person_has_done_with_an_image_is_known_from_what_was_written(written, boxes, status):
    with (written / "predictions.csv").open("a") as file:
        file.write("found.jpg,100,100,cat,1,2,30,40,0.25\n")
    marked = mark_written(dataset(found=boxes, never=[], other=[DRAWN]), written)
    found, never, _ = marked.samples
    assert (found.status, never.status) == (status, "untouched"), "a model found nothing in the other"
    assert {item.score for item in found.objects} <= ({0.25, 0.5} if status == "untouched" else {None})
    assert deleted_images(marked) == (("found",) if status == "empty" else ())
    kept_names = [sample.image_id for sample in resolve_predictions(marked, use=False).samples if sample.objects]
    assert kept_names == (["found", "other"] if status == "corrected" else ["other"])


def test_a_copy_of_the_folder_of_a_format_knows_what_was_written(written):
    (written / "label.toml").unlink()
    assert not is_written(written.parent)
    given = dataset(found=[ObjectAnnotation("dog", OTHER)])
    assert kept(mark_written(given, written / "yolo"))["found"][0].score == 0.5
    assert is_written(written / "yolo")


def test_another_file_of_that_name_says_nothing(written):
    (written / "label.toml").unlink()
    (written / "predictions.csv").write_text("id,target\n1,cat\n")
    given = dataset(found=[ObjectAnnotation("dog", OTHER)])
    assert mark_written(given, written / "yolo") is given


def save_images(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 100)).save(root / name)


def test_results_in_coco_are_predictions(tmp_path):
    save_images(tmp_path / "images", "a.png", "b.png")
    boxes = [{"image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4]} for i in (1, 2)]
    boxes[1]["score"] = 0.9
    images = [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate("ab", 1)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content))
    assert [sample.image_id for sample in read_dataset(tmp_path).samples] == ["a.png"]
    assert len(read_dataset(tmp_path, use_predictions=True).samples) == 2
    assert [issue.kind for issue in check_dataset(read_dataset(tmp_path), files=False)] == [LEFT_OUT]


@pytest.mark.parametrize(
    ("labels", "left"),
    [
        pytest.param(None, {"cat/1": "cat", "cat/2": "cat"}, id="that of the folder"),
        pytest.param("cat/1.png,owl;cat,\ncat/2.png,,\n", {"cat/1": "owl;cat", "cat/2": "dog"}, id="those of a person"),
        pytest.param("cat/1.png,dog,0.5\ncat/2.png,dog,\n", {"cat/2": "dog"}, id="not those of a model"),
    ],
)
def test_an_image_with_predicted_boxes_has_the_labels_of_a_person(tmp_path, labels, left):
    """The second image has a box that a person has drawn, too, unless the folder is all that is known."""
    save_images(tmp_path / "images", "cat/1.png", "cat/2.png")
    save_images(tmp_path / "masks", "cat/1.png")
    drawn = "cat/2,1,1,9,9,dog,\n" if labels else "cat/2,1,1,9,9,dog,0.4\n"
    text = f"image_id,xmin,ymin,xmax,ymax,class,score\ncat/1,1,1,9,9,dog,0.5\n{drawn}"
    (tmp_path / "annotations.csv").write_text(text)
    if labels:
        (tmp_path / "labels.csv").write_text(f"image_id,label,score\n{labels}")
    samples = read_dataset(tmp_path).samples
    assert {one.image_id: ";".join(item.label for item in one.objects) for one in samples} == left
    assert not any(item.mask_files for one in samples for item in one.objects)
    used = {one.image_id: one.objects for one in read_dataset(tmp_path, use_predictions=True).samples}
    assert [(item.label, item.box) for item in used["cat/1"]] == [("dog", (1, 1, 9, 9))]
    assert used["cat/1"][0].mask_files


def test_labels_with_a_score_are_predictions(tmp_path):
    save_images(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "labels.csv").write_text("image,label,score\na.png,cat,\nb.png,dog,0.7\nc.png,,\n")
    found = {one.path.name: [item.label for item in one.objects] for one in read_dataset(tmp_path).samples}
    assert found == {"a.png": ["cat"], "c.png": []}
