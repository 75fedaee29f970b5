"""What a person does in Label Studio comes back."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from label_sets import CLASSES, with_masks
from refusals import refused

from weakspot.data import ObjectAnnotation
from weakspot.data.image_index import known_images
from weakspot.data.rle import decode_rle
from weakspot.labels import FORMATS, WriteOptions
from weakspot.labels.label_studio_brush import read_brush
from weakspot.labels.label_studio_config import check_tasks, labeling_config
from weakspot.labels.label_studio_import import SEVERAL

IMAGES = known_images({"cat/1.jpg": (50, 100)})


def region(label="cat", kind="rectanglelabels", **value):
    sides = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
    return {
        "id": "r",
        "from_name": "boxes",
        "to_name": "image",
        "type": kind,
        "original_width": 100,
        "original_height": 50,
        "image_rotation": 0,
        "score": 0.7,
        "value": sides | {kind: [label]} | value,
    }


def task(**more):
    return {"id": 1, "data": {"image": "/data/local-files/?d=images/cat/1.jpg"}} | more


def read(tmp_path, *tasks):
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    return FORMATS["labelstudio"].read(file, IMAGES)


CAT = ObjectAnnotation("cat", (10.0, 10.0, 40.0, 30.0))


def test_corrected_boxes_win_over_predictions_and_have_no_score(tmp_path):
    annotations = [
        {"result": [region("dog")], "updated_at": "2026-01-02"},
        {"result": [region()], "updated_at": "2026-01-03"},
        {"result": [], "updated_at": "2026-01-04", "was_cancelled": True},
    ]
    found = read(tmp_path, task(annotations=annotations, predictions=[{"result": [region("bird")]}]))
    assert found.labels.class_names == ("cat",)
    assert found.labels.samples[0].objects == (CAT,)
    assert found.problems == ()


def test_without_annotations_predictions_count_with_their_scores(tmp_path):
    found = read(tmp_path, task(predictions=[{"result": [region()]}]))
    assert found.labels.samples[0].objects[0].score == 0.7


def test_an_annotation_without_regions_says_that_there_is_no_object(tmp_path):
    found = read(tmp_path, task(annotations=[{"result": []}], predictions=[{"result": [region()]}]))
    assert found.labels.samples[0].objects == ()


def test_a_smaller_copy_and_a_whole_turn_are_the_same(tmp_path):
    turned = region(rotation=360) | {"original_width": 33, "original_height": 17}
    assert read(tmp_path, task(annotations=[{"result": [turned]}])).labels.samples[0].objects == (CAT,)


@pytest.mark.parametrize(
    ("degrees", "box"),
    [
        pytest.param(90, (-10.0, 10.0, 10.0, 40.0), id="clockwise about the first corner"),
        pytest.param(-180, (-20.0, -10.0, 10.0, 10.0), id="half a turn"),
        pytest.param(45, (-4.142136, 10.0, 31.213203, 45.355339), id="aslant"),
    ],
)
def test_of_a_turned_box_what_bounds_it_is_taken_and_listed(tmp_path, degrees, box):
    """The box is 30 x 20 pixels, its first corner at (10, 10)."""
    found = read(tmp_path, task(annotations=[{"result": [region(rotation=degrees)]}]))
    assert found.labels.samples[0].objects[0].box == pytest.approx(box, abs=1e-5)
    assert found.problems == (("cat/1.jpg", "a region is rotated: its bounding box is used"),)


@pytest.mark.parametrize(
    "wrong", [{"annotations": 5}, {"annotations": [3, 4]}, {"annotations": [{"result": 5}]}, {"predictions": ["a"]}]
)
def test_tasks_that_are_not_written_out_are_listed(tmp_path, wrong):
    found = read(tmp_path, task(**wrong))
    assert found.labels.samples == ()
    assert "the task's" in found.problems[0].problem


@pytest.mark.parametrize("doubt", ["high", math.nan, [1], 10**400])
def test_a_doubt_that_is_no_number_is_none(tmp_path, doubt):
    one = task(annotations=[{"result": [region()]}])
    one["data"]["doubt"] = doubt
    assert read(tmp_path, one).labels.samples[0].uncertainty is None


def test_skipped_tasks_are_listed(tmp_path):
    found = read(tmp_path, task(annotations=[{"result": [region()], "was_cancelled": True}]))
    assert found.labels.samples == ()
    assert found.problems == (("cat/1.jpg", "the task was skipped"),)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (region(kind="ellipselabels"), "it is of the type ellipselabels"),
        (region(x=None), "it is malformed"),
        (region(rectanglelabels=[]), "it has no label"),
        (region(rectanglelabels="cat"), "it has no label"),
        (region() | {"image_rotation": 90}, "its image was rotated"),
        (region() | {"original_width": 50, "original_height": 100}, "drawn in an image of 50 x 100"),
        ({"type": "textarea", "from_name": "a"}, "it is malformed"),
        (region(kind="polygonlabels", points=[[0, 0], [1e300, 9], [5, -1e300]]), "coordinates of a polygon"),
        (region(kind="polygonlabels", points=[[0, 0], [9, 9]]), "at least three corners"),
        (region(kind="brushlabels", rle=[0, 0, 0, 1]), "is truncated"),
        (region(kind="brushlabels", rle=[0, 0, 0, 1, 0]), "values, got 1"),
    ],
)
def test_regions_that_cannot_be_taken_are_listed(tmp_path, wrong, why):
    found = read(tmp_path, task(annotations=[{"result": [wrong, region()]}]))
    assert found.labels.samples[0].objects == (CAT,)
    assert why in found.problems[0].problem


@pytest.mark.parametrize(
    "data",
    [
        {"image": "/data/upload/3/0a1b2c3d-1.jpg"},
        {"image": "https://host/photos/1.jpg"},
        {"image": "https://host/photos/1.jpg?X-Amz-Signature=a/b&X-Amz-Expires=9"},
        {"image": "/data/local-files/?d=photos%5C1.jpg"},
        {"image": "?d=1.jpg", "name": "1.jpg"},
        {"photo": "/data/local-files/?d=any/where/1.jpg"},
    ],
)
def test_images_are_found_by_their_links(tmp_path, data):
    (tmp_path / "e.json").write_text(json.dumps([{"data": data, "annotations": [{"result": []}]}]))
    found = FORMATS["labelstudio"].read(tmp_path / "e.json", known_images({"1.jpg": (9, 9)}))
    assert [image.image_id for image in found.labels.samples] == ["1.jpg"]


def test_relations_between_regions_are_ignored(tmp_path):
    relation = {"type": "relation", "from_id": "r", "to_id": "s", "direction": "right"}
    found = read(tmp_path, task(annotations=[{"result": [region(), relation]}]))
    assert found.labels.samples[0].objects == (CAT,)
    assert found.problems == ()


def test_tasks_that_several_people_have_annotated_are_an_issue(tmp_path):
    cancelled = {"result": [], "was_cancelled": True}
    one, several = [{"result": [region()]}, cancelled], [{"result": [region()]}, {"result": []}, cancelled]
    assert read(tmp_path, task(annotations=one)).labels.issues == ()
    issue, deleted = read(tmp_path, task(annotations=several), task(annotations=one)).labels.issues
    assert len(deleted.where) == 1, "the last of them has no region"
    assert issue.kind == SEVERAL
    assert len(issue.where) == 1


def test_tasks_of_images_that_are_not_there_are_listed(tmp_path):
    found = read(tmp_path, {"id": 7, "data": {"image": "?d=../../secret.jpg"}})
    assert found.labels.samples == ()
    assert "task 7" in found.problems[0].problem


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{}", "tasks-invalid"),
        ("[1]", "tasks-invalid"),
        ('[{"image": "a.jpg"}]', "tasks-invalid"),
        ("[", "json-invalid"),
        ("[" * 10_000, "json-invalid"),
    ],
)
def test_other_content_is_refused(tmp_path, content, code):
    (tmp_path / "e.json").write_text(content)
    with refused(code, tmp_path / "e.json"):
        FORMATS["labelstudio"].read(tmp_path / "e.json", IMAGES)


def brushed(mask):
    """Encode a mask as the browser does, in two kinds of blocks: one value repeated, and values one by one."""
    values = np.repeat(mask.ravel() * 255, 4)
    bits = [f"{len(values):032b}", f"{7:05b}", f"{1:04b}", f"{3:04b}", f"{7:04b}", f"{15:04b}"]
    bits += ["0", "10", f"{7:08b}", *(f"{value:08b}" for value in values[:8])]
    changes = [8, *(np.flatnonzero(np.diff(values[8:])) + 9), len(values)]
    for start, end in pairwise(changes):
        bits += ["1", "11", f"{end - start - 1:016b}", f"{values[start]:08b}"]
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


def test_a_brushed_mask_is_read():
    mask = decode_rle(with_masks().samples[0].objects[0].mask)
    assert (read_brush(brushed(mask), height=60, width=90) == mask).all()


def test_what_we_write_fits_its_configuration(tmp_path):
    FORMATS["labelstudio"].write(with_masks(), tmp_path, WriteOptions(polygons=True))
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert check_tasks(tasks, (tmp_path / "config.xml").read_text()) == []
    assert len(check_tasks(tasks, labeling_config(CLASSES[:1]))) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (region("dog"), "the unknown label 'dog'"),
        (region() | {"from_name": "tag"}, "the unknown control 'tag'"),
        (region() | {"to_name": "text"}, "got rectanglelabels of 'text'"),
        (region(x=80), "outside 0 to 100 percent"),
        (region(width=0), "no width and height"),
        (region() | {"original_width": 0}, "no original size"),
    ],
)
def test_the_checker_names_what_does_not_fit(wrong, said):
    problems = check_tasks([task(predictions=[{"result": [region(), wrong]}])], labeling_config(["cat"]))
    assert len(problems) == 1
    assert said in problems[0]


def drawn(*results):
    return task(annotations=[{"result": list(results)}])


def unlabeled(kind="rectangle", **value):
    shape = region(**value)
    return shape | {"type": kind, "value": {k: v for k, v in shape["value"].items() if k != "rectanglelabels"}}


def of_region(kind, *labels, name="r"):
    """A result of a control of labels, with the shape of the region as Label Studio repeats it."""
    return unlabeled() | {"id": name, "type": kind, "value": unlabeled()["value"] | {kind: list(labels)}}


def of_image(*choices, name="c"):
    return {"id": name, "type": "choices", "from_name": "c", "to_name": "image", "value": {"choices": list(choices)}}


@pytest.mark.parametrize(
    "sides",
    [
        pytest.param({"y": 60, "height": -40}, id="up"),
        pytest.param({"x": 40, "width": -30}, id="to the left"),
        pytest.param({"x": 40, "y": 60, "width": -30, "height": -40}, id="both"),
        pytest.param({"x": 40, "y": 60, "rotation": 180}, id="half a turn of it"),
    ],
)
def test_a_rectangle_drawn_in_any_direction_is_the_same(tmp_path, sides):
    assert read(tmp_path, drawn(region(**sides))).labels.samples[0].objects == (CAT,)


@pytest.mark.parametrize("kind", ["labels", "choices"])
def test_the_label_of_a_shape_may_be_another_result_with_its_id(tmp_path, kind):
    results = [of_region(kind, "cat"), unlabeled()]
    for order in (results, results[::-1]):
        found = read(tmp_path, drawn(*order))
        assert found.labels.samples[0].objects == (CAT,)
        assert found.problems == ()


def test_each_shape_gets_the_labels_of_its_own_id(tmp_path):
    other = unlabeled(x=50) | {"id": "s"}
    found = read(tmp_path, drawn(unlabeled(), other, of_region("labels", "dog", name="s"), of_region("labels", "cat")))
    assert [(item.label, item.box[0]) for item in found.labels.samples[0].objects] == [("cat", 10.0), ("dog", 50.0)]


def test_a_polygon_and_a_result_of_labels_with_a_shape_are_read(tmp_path):
    corners = [[10, 20], [40, 20], [40, 60], [10, 60]]
    polygon = {"id": "p", "type": "polygon", "value": {"points": corners}}
    found = read(tmp_path, drawn(polygon, of_region("labels", "cat", name="p"), of_region("labels", "cat", name="q")))
    assert [item.box for item in found.labels.samples[0].objects] == [CAT.box, CAT.box]


def test_choices_of_a_labeled_region_are_no_labels(tmp_path):
    found = read(tmp_path, drawn(region(), of_region("choices", "blurry")))
    assert found.labels.samples[0].objects == (CAT,)


def test_a_shape_that_nothing_labels_is_listed(tmp_path):
    found = read(tmp_path, drawn(unlabeled(), of_region("labels", "cat", name="s") | {"value": {"labels": ["cat"]}}))
    assert [one.problem for one in found.problems] == [
        "a region is invalid: it has no label",
        "a region is invalid: it is of the type labels",
    ]


def test_choices_of_an_image_are_its_labels(tmp_path):
    found = read(tmp_path, drawn(of_image("cat", "dog")))
    assert found.labels.samples[0].objects == (ObjectAnnotation("cat"), ObjectAnnotation("dog"))
    assert found.labels.class_names == ("cat", "dog")


def test_choices_that_are_also_drawn_are_labels_of_images_without_a_box(tmp_path):
    found = read(tmp_path, drawn(region(), of_image("cat", "dog")))
    assert found.labels.samples[0].objects == (CAT, ObjectAnnotation("dog"))


def test_choices_that_only_describe_the_image_are_listed_once(tmp_path):
    found = read(tmp_path, drawn(region(), of_image("blurry")))
    assert found.labels.samples[0].objects == (CAT,)
    assert [one.image for one in found.problems] == [""]
