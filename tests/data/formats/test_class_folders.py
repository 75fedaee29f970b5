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


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("train_images", "test_images"),
        ("Train-Data", "Testing Data"),
        ("trainset", "testset"),
        ("images_train", "images_test"),
        ("training_set/training_set", "test_set/test_set"),
        ("train/train", "test/test"),
        ("archive/train", "archive/test"),
    ],
)
def test_folders_of_splits_have_several_names(tmp_path, train, test):
    names = [f"{train}/cat/a.jpg", f"{train}/dog/b.jpg", f"{test}/cat/c.jpg", f"{test}/dog/d.jpg"]
    dataset = read_dataset(plant(tmp_path, {name: (9 + i, 9) for i, name in enumerate(names)}))
    assert dataset.class_names == ("cat", "dog")
    splits = [split.removesuffix("ing") for split, _ in told(dataset).values()]
    assert sorted(splits) == ["test", "test", "train", "train"]
    assert sorted(sample.path for sample in dataset.samples) == sorted(tmp_path / name for name in names)


def test_a_class_called_train_stays_a_class(tmp_path):
    dataset = read_dataset(plant(tmp_path, {"train/train/a.jpg": (9, 9), "train/bus/b.jpg": (8, 8)}))
    assert told(dataset) == {
        "train/bus/b": ("train", {"bus": []}),
        "train/train/a": ("train", {"train": []}),
    }


def test_one_folder_around_the_classes_is_no_class(tmp_path):
    plant(
        tmp_path,
        {"PetImages/Cat/a.jpg": (9, 9), "PetImages/Dog/b.jpg": (8, 8), "__MACOSX/PetImages/x": "", "readme.txt": ""},
    )
    dataset = read_dataset(tmp_path)
    assert told(dataset) == {"Cat/a": ("", {"Cat": []}), "Dog/b": ("", {"Dog": []})}


def test_the_only_class_may_have_one_folder(tmp_path):
    assert read_dataset(plant(tmp_path, {"cat/deep/a.jpg": (9, 9)})).class_names == ("cat",)


def test_folders_of_splits_next_to_other_folders_are_refused(tmp_path):
    files = {"train/cat/a.jpg": (9, 9), "test/cat/b.jpg": (8, 8), "more/c.jpg": (7, 7)}
    with refused("unknown-layout", "test, train", "more"):
        read_dataset(plant(tmp_path, files))


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
