import numpy as np
import pytest
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset

CLASSES = [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}]
TWO_IMAGES = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 40, "height": 30},
        {"id": 8, "file_name": "deep/b.jpg", "width": 20, "height": 20},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 10, 20.5], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [5, 6, 7, 8], "segmentation": [[5, 6, 12, 14, 5, 14]]},
        {"id": 3, "image_id": 7, "category_id": 90, "bbox": [0, 0, 3, 3]},
    ],
    "categories": CLASSES,
}
READ = {"a.jpg": {"dog": [[1, 2, 11, 22.5], [0, 0, 3, 3]], "cat": [[5, 6, 12, 14]]}, "deep/b.jpg": {}}


def in_split(split, read=READ, prefix=""):
    return {f"{prefix}{name}": (split, truths) for name, truths in read.items()}


def one_image(name="a.jpg", **annotation):
    images = [{"id": 1, "file_name": name}]
    found = [{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]} | annotation]
    return {"images": images, "annotations": found, "categories": CLASSES}


def test_absolute_paths_into_the_data_set_are_relative(tmp_path):
    plant(tmp_path, {"images/a.jpg": (40, 30), "annotations/instances.json": one_image(str(tmp_path / "images/a.jpg"))})
    assert list(told(read_dataset(tmp_path))) == ["a.jpg"]


def annotated(tmp_path, content):
    return read_dataset(plant(tmp_path, {"annotations.json": content, "a.jpg": (40, 30)}))


@pytest.mark.parametrize(
    ("file", "folder", "split"),
    [
        ("annotations.json", "", ""),
        ("annotations.json", "images/", ""),
        ("_annotations.coco.json", "", ""),
        ("annotations/instances_val2017.json", "val2017/", "val"),
        ("annotations/instances_train2017.json", "images/train2017/", "train"),
        ("annotations/instances_val2017.json", "images/val/", "val"),
        ("annotations/test.json", "images/", "test"),
        ("annotations/instances_default.json", "images/", ""),
        ("test/_annotations.coco.json", "test/", "test"),
        ("valid/_annotations.coco.json", "valid/", "valid"),
    ],
)
def test_boxes_labels_and_sizes_are_read_wherever_the_images_are(tmp_path, file, folder, split):
    images = {f"{folder}a.jpg": (40, 30), f"{folder}deep/b.jpg": (20, 20)}
    dataset = read_dataset(plant(tmp_path, images | {file: TWO_IMAGES}))
    assert told(dataset) == in_split(split)
    assert (dataset.layout, dataset.class_names) == ("COCO", ("cat", "dog"))
    assert [example.size for example in dataset.samples] == [(30, 40), (20, 20)]
    assert [example.path for example in dataset.samples] == [tmp_path / name for name in images]
    assert {truth.class_index for example in dataset.samples for truth in example.annotations} == {None}
    assert [problem.kind for problem in check_dataset(dataset)] == ["image without a label"]


def test_each_file_is_a_split(tmp_path):
    files = {f"{split}/a.jpg": (40, 30) for split in ("train", "valid", "test")}
    files |= {f"{split}/_annotations.coco.json": TWO_IMAGES for split in ("train", "valid", "test")}
    splits = [in_split(split, prefix=f"{split}/") for split in ("test", "train", "valid")]
    assert told(read_dataset(plant(tmp_path, files))) == splits[0] | splits[1] | splits[2]


def test_only_instances_are_read_of_the_files_that_coco_ships(tmp_path):
    names = ("captions_val2017", "instances_val2017", "person_keypoints_val2017")
    files = {f"annotations/{name}.json": one_image() if "instances" in name else {} for name in names}
    assert told(read_dataset(plant(tmp_path, files))) == {"a.jpg": ("val", {"cat": [[1, 2, 4, 6]]})}


def test_image_of_two_files_leaks(tmp_path):
    files = {f"annotations/{split}.json": one_image() for split in ("train", "test")} | {"images/a.jpg": (40, 30)}
    dataset = read_dataset(plant(tmp_path, files))
    assert [(problem.kind, problem.where) for problem in check_dataset(dataset) if "split" in problem.kind] == [
        ("image in two splits", ("a.jpg: test, train",))
    ]


def test_file_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"photos/a.jpg": (40, 30), "labels/my-val.json": one_image()})
    dataset = read_dataset(tmp_path / "photos", ground_truth=tmp_path / "labels/my-val.json")
    assert told(dataset) == {"a.jpg": ("val", {"cat": [[1, 2, 4, 6]]})}
    assert dataset.samples[0].path == tmp_path / "photos/a.jpg"


@pytest.mark.parametrize("annotation", [{"iscrowd": 1}, {"bbox": None}, {"bbox": []}])
def test_crowd_or_annotation_without_a_box_is_a_label(tmp_path, annotation):
    assert told(annotated(tmp_path, one_image(**annotation))) == {"a.jpg": ("", {"cat": []})}


def test_boxes_are_kept_as_they_are_written(tmp_path):
    dataset = annotated(tmp_path, one_image(bbox=[5, float("nan"), -3, float("inf")]))
    np.testing.assert_array_equal(dataset.samples[0].annotations[0].boxes, [[5, np.nan, 2, np.nan]])


def test_image_listed_twice_is_two_examples(tmp_path):
    content = one_image()
    content["images"] *= 2
    assert [example.image_id for example in annotated(tmp_path, content).samples] == ["a.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("annotation", "kind", "place"),
    [
        ({"image_id": 99}, "boxes for an unknown image", "image_id 99"),
        ({"category_id": 99}, "boxes of an unknown class", "annotations[0], category_id 99"),
    ],
)
def test_annotation_of_what_is_not_listed_is_a_problem(tmp_path, annotation, kind, place):
    dataset = annotated(tmp_path, one_image(**annotation))
    (problem,) = dataset.issues
    assert (problem.kind, len(problem.where)) == (kind, 1)
    assert problem.where[0].endswith(place)
    assert told(dataset) == {"a.jpg": ("", {})}


def test_ids_may_be_words(tmp_path):
    content = {
        "images": [{"id": "x", "file_name": "a.jpg"}],
        "annotations": [{"image_id": "x", "category_id": "c", "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": "c", "name": "cat"}, {"id": "b", "name": "dog"}],
    }
    dataset = annotated(tmp_path, content)
    assert told(dataset) == {"a.jpg": ("", {"cat": [[1, 2, 4, 6]]})}
    assert dataset.class_names == ("dog", "cat")


@pytest.mark.parametrize(
    ("content", "code", "value"),
    [
        ('{"images": [\n{"id" 3}]}', "json-invalid", "line 2"),
        ("", "json-invalid", "line 1"),
        ("[" * 100_000, "json-invalid", ""),
        ("[]", "coco-invalid", ""),
        ({"annotations": []}, "coco-invalid", ""),
        ({"images": {"id": 1}}, "coco-invalid", ""),
        ({"images": [3]}, "coco-invalid", ""),
        ({"images": [{"file_name": "a.jpg"}]}, "coco-invalid", "images[0]"),
        ({"images": [{"id": [1], "file_name": "a.jpg"}]}, "coco-invalid", "images[0]"),
        ({"images": [{"id": 1}]}, "coco-invalid", "images[0]"),
        (one_image(name="/etc/a.jpg"), "path-outside", "images[0]"),
        (one_image(name="../a.jpg"), "path-outside", "images[0]"),
        (one_image(bbox=[1, 2, 3]), "coco-invalid", "annotations[0]"),
        (one_image(bbox=[1, 2, 3, "4"]), "coco-invalid", "annotations[0]"),
        (one_image(bbox="1 2 3 4"), "coco-invalid", "annotations[0]"),
        (one_image(image_id=None), "coco-invalid", "annotations[0]"),
        (one_image() | {"categories": [{"id": 3}]}, "coco-invalid", ""),
    ],
)
def test_invalid_file_is_refused(tmp_path, content, code, value):
    with refused(code, "annotations.json", value):
        annotated(tmp_path, content)
