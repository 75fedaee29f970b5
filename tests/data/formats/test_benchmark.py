import pytest
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset

BOXES = {
    "train/image_ids.txt": "train/a.jpg\n",
    "train/class_labels.txt": "train/a.jpg,0\n",
    "train/image_sizes.txt": "train/a.jpg,40,30\n",
    "test/image_ids.txt": "val/b.jpg\nval/c, d.jpg\n",
    "test/class_labels.txt": "val/b.jpg,10\nval/c, d.jpg,2\n",
    "test/image_sizes.txt": "val/b.jpg,20,10\nval/c, d.jpg,50,60\n",
    "test/localization.txt": "val/b.jpg,1,2,20,10\nval/c, d.jpg,0,0,7.5,60\nval/b.jpg,3,4,5,6\n",
}
IMAGES = {"train/a.jpg": (40, 30), "val/b.jpg": (20, 10), "val/c, d.jpg": (50, 60)}
MASKS = {
    "test/image_ids.txt": "o/a.jpg\no/b.jpg\n",
    "test/class_labels.txt": "o/a.jpg,4\no/b.jpg,0\n",
    "test/localization.txt": "o/a.jpg,o/a1.png,o/a_ignore.png\no/b.jpg,o/b1.png,\no/a.jpg,o/a2.png,\n",
}


def one_set(**files):
    return {
        f"test/{name}.txt": text
        for name, text in ({"image_ids": "a.jpg\n", "class_labels": "a.jpg,3\n"} | files).items()
    }


@pytest.mark.parametrize("folder", ["", "images/", "../"])
def test_boxes_labels_and_sizes_are_read_as_written(tmp_path, folder):
    root = plant(tmp_path / "metadata", BOXES)
    plant(root, {f"{folder}{name}": size for name, size in IMAGES.items()})
    dataset = read_dataset(root)
    assert told(dataset) == {
        "val/b.jpg": ("test", {"10": [[1, 2, 20, 10], [3, 4, 5, 6]]}),
        "val/c, d.jpg": ("test", {"2": [[0, 0, 7.5, 60]]}),
        "train/a.jpg": ("train", {"0": []}),
    }
    assert (dataset.layout, dataset.class_names) == ("benchmark metadata", ("0", "2", "10"))
    assert [example.size for example in dataset.samples] == [(10, 20), (60, 50), (30, 40)]
    assert [truth.class_index for example in dataset.samples for truth in example.annotations] == [10, 2, 0]
    assert check_dataset(dataset) == []


def test_one_set_is_a_data_set(tmp_path):
    dataset = read_dataset(plant(tmp_path, BOXES) / "test", images=tmp_path)
    assert dataset.splits == {"test": 2}
    assert dataset.samples[0].path == tmp_path / "val/b.jpg"


def test_several_masks_and_an_ignored_region_belong_to_an_image(tmp_path):
    first, second = read_dataset(plant(tmp_path, MASKS | {"images/o/a.jpg": (9, 9), "images/o/a1.png": (9, 9)})).samples
    assert [truth.label for truth in (*first.annotations, *second.annotations)] == ["4", "0"]
    assert first.annotations[0].masks == (tmp_path / "images/o/a1.png", tmp_path / "images/o/a2.png")
    assert first.annotations[0].ignore == tmp_path / "images/o/a_ignore.png"
    assert second.annotations[0].masks == (tmp_path / "images/o/b1.png",)
    assert second.annotations[0].ignore is None
    assert len(first.annotations[0].boxes) == 0


def test_masks_may_be_with_the_metadata_and_images_elsewhere(tmp_path):
    root = plant(tmp_path / "metadata", MASKS | {"o/a1.png": (9, 9)})
    dataset = read_dataset(root, images=plant(tmp_path / "photos", {"o/a.jpg": (9, 9)}))
    assert dataset.samples[0].path == tmp_path / "photos/o/a.jpg"
    assert dataset.samples[0].annotations[0].masks[0] == root / "o/a1.png"


def test_only_the_list_of_images_must_be_there(tmp_path):
    assert told(read_dataset(plant(tmp_path, {"val/image_ids.txt": "a.jpg\nb.jpg\n"}))) == {
        "a.jpg": ("val", {}),
        "b.jpg": ("val", {}),
    }


def test_image_listed_twice_is_two_examples(tmp_path):
    dataset = read_dataset(plant(tmp_path, one_set(image_ids="a.jpg\na.jpg\n")))
    assert [example.image_id for example in dataset.samples] == ["a.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("file", "text", "kind", "place"),
    [
        ("class_labels", "a.jpg,3\nb.jpg,3\n", "label for an unknown image", "test: b.jpg"),
        ("image_sizes", "b.jpg,3,4\n", "size for an unknown image", "test: b.jpg"),
        ("localization", "b.jpg,1,2,3,4\n", "boxes for an unknown image", "test: b.jpg"),
        (
            "class_labels",
            "a.jpg,3\na.jpg,4\n",
            "several labels for an image, the first is used",
            "test: a.jpg: [3, 4]",
        ),
    ],
)
def test_line_about_what_is_not_listed_is_a_problem(tmp_path, file, text, kind, place):
    dataset = read_dataset(plant(tmp_path, one_set(**{file: text})))
    assert [(problem.kind, problem.where) for problem in dataset.issues] == [(kind, (place,))]
    assert told(dataset) == {"a.jpg": ("test", {"3": []})}


@pytest.mark.parametrize(
    ("file", "text", "code", "value"),
    [
        ("class_labels", "a.jpg,3\nb.jpg,cat\n", "number-invalid", "line 2"),
        ("class_labels", "a.jpg,0.5\n", "number-invalid", "line 1"),
        ("class_labels", "a.jpg 3\n", "missing-fields", "line 1"),
        ("image_sizes", "a.jpg,40\n", "missing-fields", "line 1"),
        ("image_sizes", "a.jpg,40,high\n", "number-invalid", "line 1"),
        ("localization", "\na.jpg,1,2,3,four\n", "number-invalid", "line 2"),
        ("localization", "a.jpg,1,2,3\n", "missing-fields", "line 1"),
        ("localization", "a.jpg,../m.png,\n", "path-outside", "line 1"),
        ("localization", "a.jpg,m.png,/m.png\n", "path-outside", "line 1"),
        ("image_ids", "a.jpg\n/etc/a.jpg\n", "path-outside", "line 2"),
    ],
)
def test_invalid_file_is_refused(tmp_path, file, text, code, value):
    with refused(code, file, value):
        read_dataset(plant(tmp_path, one_set(**{file: text})))
