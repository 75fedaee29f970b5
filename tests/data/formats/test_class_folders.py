import pytest
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset


@pytest.mark.parametrize("base", ["", "images/"])
def test_folders_are_classes_without_boxes(tmp_path, base):
    files = {
        f"{base}dog/b.png": (9, 9),
        f"{base}cat/deep/a.jpg": (8, 8),
        f"{base}cat/.c.jpg": (7, 7),
        "notes/x.txt": "",
    }
    dataset = read_dataset(plant(tmp_path, files))
    assert told(dataset) == {"cat/deep/a": ("", {"cat": []}), "dog/b": ("", {"dog": []})}
    assert (dataset.layout, dataset.class_names, dataset.splits) == ("class folders", ("cat", "dog"), {"": 2})
    assert dataset.samples[0].path == tmp_path / base / "cat/deep/a.jpg"
    assert check_dataset(dataset) == []


def test_topmost_folders_may_be_splits(tmp_path):
    files = {"train/cat/a.jpg": (9, 9), "Val/dog/a.jpg": (8, 8), "test/a.jpg": (7, 7)}
    dataset = read_dataset(plant(tmp_path, files))
    assert told(dataset) == {
        "Val/dog/a": ("val", {"dog": []}),
        "test/a": ("test", {}),
        "train/cat/a": ("train", {"cat": []}),
    }
    assert dataset.class_names == ("cat", "dog")


def test_folder_named_as_a_split_is_a_class_beside_others(tmp_path):
    dataset = read_dataset(plant(tmp_path, {"test/a.jpg": (9, 9), "cat/a.jpg": (8, 8)}))
    assert dataset.class_names == ("cat", "test")


def test_empty_folder_is_a_class_without_images(tmp_path):
    dataset = read_dataset(plant(tmp_path, {"cat/a.jpg": (9, 9), "dog": None}))
    assert dataset.class_names == ("cat", "dog")
    assert [(problem.kind, problem.where) for problem in check_dataset(dataset)] == [("class without images", ("dog",))]


def test_image_in_no_folder_has_no_label(tmp_path):
    assert told(read_dataset(plant(tmp_path, {"cat/a.jpg": (9, 9), "b.jpg": (8, 8)})))["b"] == ("", {})


def test_links_are_followed_but_not_in_circles(tmp_path):
    plant(tmp_path, {"photos/cat/a.jpg": (9, 9), "elsewhere/b.jpg": (8, 8)})
    (tmp_path / "photos/dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/cat/again").symlink_to(tmp_path / "photos")
    assert list(told(read_dataset(tmp_path / "photos"))) == ["cat/a", "dog/b"]


def test_images_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"photos/cat/a.jpg": (9, 9), "x/b.jpg": (8, 8)})
    assert list(told(read_dataset(tmp_path, images=tmp_path / "photos"))) == ["cat/a"]


def test_folder_without_class_folders_is_refused(tmp_path):
    with refused("unknown-layout", tmp_path):
        read_dataset(plant(tmp_path, {"a.jpg": (9, 9), "notes/x.txt": ""}))
