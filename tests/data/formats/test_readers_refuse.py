"""Files that are damaged or lie: refused in two lines, or listed, and never followed out of their folder."""

import json
import math

import pytest
from PIL import Image
from refusals import refused

from weakspot.data import ObjectAnnotation
from weakspot.data.image_index import known_images
from weakspot.data.rle import decode_rle
from weakspot.labels import FORMATS

IMAGES = known_images({"a.jpg": (50, 100)})
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}],
    "categories": [{"id": 1, "name": "cat"}],
}


def coco(tmp_path, *annotations, **more):
    (tmp_path / "a.json").write_text(json.dumps(COCO | {"annotations": annotations} | more))
    return FORMATS["coco"].read(tmp_path / "a.json", IMAGES)


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        ({"image_id": 9, "category_id": 1, "bbox": [1, 1, 2, 2]}, "an unknown image"),
        ({"image_id": 1, "category_id": 1}, "bbox must be four numbers"),
        ({"image_id": 1, "category_id": 1, "bbox": [1, 1, 2]}, "bbox must be four numbers"),
        ({"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "iscrowd": 1}, "crowd"),
    ],
)
def test_annotations_of_coco_that_cannot_be_taken_are_listed(tmp_path, annotation, why):
    found = coco(tmp_path, annotation)
    assert found.labels.samples[0].objects == ()
    assert why in found.problems[0].problem


@pytest.mark.parametrize(
    ("segmentation", "why"),
    [
        (
            [[1, 2, 3, 4, 1e308, 6]],
            "coordinates of a polygon",
        ),
        (
            [[1, math.nan, 3, 4]],
            "coordinates of a polygon",
        ),
        ([[1, 2, 3]], "malformed"),
        (
            {"size": [50, 100], "counts": [7]},
            "RLE counts",
        ),
        (
            {"size": [5, 9], "counts": "5"},
            "got [5, 9]",
        ),
        ([1, 2, 3, 4, 5], "malformed"),
        ([[200, 200, 201, 200, 201, 201]], "no area"),
        ("x", "malformed"),
    ],
)
def test_a_box_stays_if_its_segmentation_is_invalid(tmp_path, segmentation, why):
    record = {"image_id": 1, "category_id": 1, "segmentation": segmentation}
    found = coco(tmp_path, record | {"bbox": [1, 1, 2, 2]})
    assert found.labels.samples[0].objects == (ObjectAnnotation("cat", (1, 1, 3, 3)),)
    assert why in found.problems[0].problem
    assert coco(tmp_path, record).labels.samples[0].objects == ()


@pytest.mark.parametrize(
    "segmentation",
    [
        pytest.param([[1, 2, 9, 2, 9, 8, 1, 8]], id="a list of polygons"),
        pytest.param([1, 2, 9, 2, 9, 8, 1, 8], id="one flat polygon"),
        pytest.param([[1, 2], [9, 2], [9, 8], [1, 8]], id="one list of corners"),
        pytest.param([[[1, 2], [9, 2], [9, 8], [1, 8]]], id="a list of lists of corners"),
        pytest.param([[1, 2, 5, 2, 5, 8, 1, 8], [5, 2, 9, 2, 9, 8, 5, 8]], id="two polygons"),
    ],
)
def test_polygons_of_coco_are_read_as_tools_write_them(tmp_path, segmentation):
    found = coco(tmp_path, {"image_id": 1, "category_id": 1, "segmentation": segmentation})
    (item,) = found.labels.samples[0].objects
    assert item.box == (1, 2, 9, 8)
    assert decode_rle(item.mask).sum() == 8 * 6
    assert found.problems == ()


@pytest.mark.parametrize("segmentation", [[], [[]], None])
def test_an_empty_segmentation_of_coco_is_no_problem(tmp_path, segmentation):
    found = coco(tmp_path, {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "segmentation": segmentation})
    assert found.labels.samples[0].objects == (ObjectAnnotation("cat", (1, 1, 3, 3)),)
    assert found.problems == ()


def test_a_box_of_coco_drawn_in_the_other_direction_is_the_same(tmp_path):
    found = coco(tmp_path, {"image_id": 1, "category_id": 1, "bbox": [3, 3, -2, -2]})
    assert found.labels.samples[0].objects == (ObjectAnnotation("cat", (1, 1, 3, 3)),)


def test_a_mask_of_coco_that_would_fill_the_memory_is_listed(tmp_path):
    huge = [{"id": 1, "file_name": "a.jpg", "width": 10**6, "height": 10**6}]
    mask = {"size": [10**6, 10**6], "counts": [10**12]}
    found = coco(tmp_path, {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "segmentation": mask}, images=huge)
    assert "at most" in found.problems[0].problem


def test_what_other_tools_write_into_coco_is_read(tmp_path):
    """No size, ids that are words, a mask without a box, a category called twice, what is no number."""
    found = coco(
        tmp_path,
        {"image_id": "x", "category_id": "c", "segmentation": [[1, 2, 9, 2, 9, 7, 1, 7]]},
        images=[{"id": "x", "file_name": "a.jpg", "doubt": "high"}],
        categories=[{"id": "c", "name": "cat"}, {"id": 7, "name": "cat"}],
    )
    assert found.problems == ()
    assert found.labels.class_names == ("cat",)
    assert (found.labels.samples[0].width, found.labels.samples[0].height, found.labels.samples[0].uncertainty) == (
        100,
        50,
        None,
    )
    assert [one.box for one in found.labels.samples[0].objects] == [(1, 2, 9, 7)]


def test_images_of_coco_with_the_same_id_are_listed(tmp_path):
    same = [{"id": 1, "file_name": name, "width": 100, "height": 50} for name in ("a.jpg", "b.jpg")]
    found = coco(tmp_path, {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}, images=same)
    assert found.labels.samples == ()
    assert [one.image for one in found.problems] == ["a.jpg", "b.jpg", "1"]


def test_each_file_of_coco_has_its_own_ids_and_what_are_no_instances_is_passed_over(tmp_path):
    folder = tmp_path / "annotations"
    folder.mkdir()
    one = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}
    for split, label in (("train2017", "cat"), ("val2017", "dog")):
        content = COCO | {"annotations": [one], "categories": [{"id": 1, "name": label}]}
        (folder / f"instances_{split}.json").write_text(json.dumps(content))
    (folder / "captions_val2017.json").write_text('{"annotations": [{"caption": "a cat"}]}')
    labels = FORMATS["coco"].read(tmp_path, IMAGES).labels
    assert labels.class_names == ("cat", "dog")
    assert [(image.split, image.objects[0].label) for image in labels.samples] == [("train", "cat"), ("val", "dog")]


def test_categories_of_the_same_id_are_refused(tmp_path):
    with refused("coco-invalid", "id 1"):
        coco(tmp_path, categories=[{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}])


@pytest.mark.parametrize("images", [[{"id": 1}], [7], {"a": 1}])
def test_what_is_no_coco_is_refused(tmp_path, images):
    with refused("coco-invalid", "images"):
        coco(tmp_path, images=images)


def yolo(tmp_path, text, names="names: [cat]", name="train/a.txt"):
    (tmp_path / "data.yaml").write_text(names)
    file = tmp_path / "labels" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return FORMATS["yolo"].read(tmp_path, IMAGES)


@pytest.mark.parametrize(
    "line",
    [
        "1 .5 .5 .1 .1",
        "-1 .5 .5 .1 .1",
        "0 .5 .5 .1",
        "0 a b c d",
        "0.5 1 1 1 1",
        "0 1 1 1 1 1 1 1",
        "0 0 0 1e308 1 1 1e308",
    ],
)
def test_lines_of_yolo_that_cannot_be_taken_are_listed(tmp_path, line):
    found = yolo(tmp_path, f"{line}\n0 .5 .5 .5 .5\n")
    assert [one.box for one in found.labels.samples[0].objects] == [(25, 12.5, 75, 37.5)]
    assert "line 1 is invalid" in found.problems[0].problem


def test_a_file_of_yolo_without_its_image_is_listed(tmp_path):
    assert yolo(tmp_path, "", name="train/b.txt").problems == (("train/b.txt", "the image does not exist"),)


@pytest.mark.parametrize(
    "names",
    [
        "names: {0: cat, 2: dog}",
        "nc: 1",
        "a: &a [x, x]\nnames: [*a, *a]",
        "names: !!python/object/apply:os.system [ls]",
        "[",
    ],
)
def test_names_of_yolo_that_are_none_are_refused(tmp_path, names):
    with refused("class-names-invalid", "data.yaml"):
        yolo(tmp_path, "", names)


def test_yolo_as_labelimg_and_roboflow_lay_it_out(tmp_path):
    for name, text in (
        ("img/labels/classes.txt", "cat\n"),
        ("img/labels/a.txt", "0 .5 .5 .5 .5"),
        ("robo/data.yaml", "names: [cat]"),
        ("robo/valid/labels/a.txt", "0 .5 .5 .5 .5"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for folder, image in (("img", "a.jpg"), ("robo", "a.jpg"), ("robo", "valid/images/a.jpg")):
        found = FORMATS["yolo"].read(tmp_path / folder, known_images({image: (50, 100)}))
        assert found.problems == ()
        assert [(one.image_id, one.split) for one in found.labels.samples] == [
            (image, "valid" if folder == "robo" else "")
        ]
        assert found.labels.samples[0].objects[0].box == (25, 12.5, 75, 37.5)


def test_entities_in_xml_are_refused(tmp_path):
    text = '<!DOCTYPE a [<!ENTITY x "xx">]><annotation><filename>&x;</filename></annotation>'
    (tmp_path / "a.xml").write_text(text)
    with refused("xml-invalid", "a.xml"):
        FORMATS["voc"].read(tmp_path, IMAGES)


def test_xml_that_names_a_file_elsewhere_is_listed(tmp_path):
    (tmp_path / "b.xml").write_text("<annotation><filename>../../a.jpg</filename></annotation>")
    assert FORMATS["voc"].read(tmp_path, IMAGES).problems == (("b.xml", "the image does not exist"),)


def test_masks_of_another_kind_or_size_are_listed(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    mask = tmp_path / "masks/a.png"
    for image, why in (
        (Image.new("RGB", (100, 50)), "must be indexed PNG"),
        (Image.new("L", (100, 51)), "its mask has 100 x 51 pixels"),
        (Image.new("L", (100, 50), 7), "value 7, which has no class"),
    ):
        image.save(mask)
        assert why in FORMATS["masks"].read(tmp_path, IMAGES).problems[0].problem


def test_masks_of_another_format_are_listed(tmp_path):
    """A TIFF of a few pixels may have a tile of gigabytes."""
    (tmp_path / "masks").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    Image.new("L", (100, 50), 1).save(tmp_path / "masks/a.png", "TIFF")
    assert FORMATS["masks"].read(tmp_path, IMAGES).problems[0].image == "a.jpg"


def test_without_masks_there_is_nothing_to_read(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\n")
    with refused("labels-not-found", "masks"):
        FORMATS["masks"].read(tmp_path, IMAGES)


def test_csv_that_a_person_has_edited(tmp_path):
    """Names without suffix, a split of its own file, a row without a box."""
    (tmp_path / "annotations.csv").write_text("image_id,class,xmin,ymin,xmax,ymax\na,cat,1,1,5,5\na,cat,,,,\n")
    (tmp_path / "labels.csv").write_text("image_id,label\na,cat\n")
    (tmp_path / "splits.csv").write_text("image_id,split\na,val\n")
    found = FORMATS["csv"].read(tmp_path, IMAGES)
    assert [(one.image_id, one.split, len(one.objects)) for one in found.labels.samples] == [("a.jpg", "val", 1)]
    assert found.problems == (("a.jpg", "object without a box: cat"),)
