"""Folders of splits, however they are named, are not classes; what may be either is asked about."""

import pytest
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset
from weakspot.data.formats.split_folders import name_split


def grow(root, *folders):
    return read_dataset(plant(root, {f"{folder}/{i}.png": (9 + i, 9) for i, folder in enumerate(folders)}))


@pytest.mark.parametrize(
    ("folder", "split", "rest"),
    [
        ("seg_train", "train", ("seg",)),
        ("obj_valid_data", "valid", ("obj", "data")),
        ("train2017", "train", ()),
        ("evaluation", "evaluation", ()),
        ("SegTest", "test", ("seg",)),
        ("my-test-set", "test", ("my", "set")),
        ("fold 3", "fold3", ()),
        ("fold", "fold", ()),
        ("seg_pred", "pred", ("seg",)),
        ("trainer", "", ()),
        ("invalid", "", ()),
        ("folder1", "", ()),
        ("", "", ()),
    ],
)
def test_a_folder_names_a_split_among_other_words(folder, split, rest):
    assert name_split(folder) == (split, rest)


@pytest.mark.parametrize(
    ("tops", "splits"),
    [
        (("seg_train/seg_train", "seg_test/seg_test"), {"train", "test"}),
        (("seg_train", "seg_test"), {"train", "test"}),
        (("obj_train_data", "obj_valid_data"), {"train", "valid"}),
        (("train2017", "val2017"), {"train", "val"}),
        (("train1", "train2"), {"train"}),
        (("train", "evaluation"), {"train", "evaluation"}),
        (("train", "test", "holdout"), {"train", "test", "holdout"}),
        (("fold1", "fold2", "fold3"), {"fold1", "fold2", "fold3"}),
        (("my_train", "test"), {"train", "test"}),
        (("train/images", "test/images"), {"train", "test"}),
        (("train/images",), {"train"}),
        (("archive/seg_train", "archive/seg_test"), {"train", "test"}),
    ],
)
def test_folders_of_splits_with_the_same_classes_are_splits(tmp_path, tops, splits):
    dataset = grow(tmp_path, *(f"{top}/{name}" for top in tops for name in ("cat", "dog")))
    assert (dataset.class_names, set(dataset.splits)) == (("cat", "dog"), splits)
    assert all(sample.path.is_file() for sample in dataset.samples)


def test_a_split_without_classes_is_said(tmp_path):
    dataset = grow(tmp_path, "seg_train/seg_train/cat", "seg_train/seg_train/dog", "seg_pred/seg_pred")
    assert {split for split, labels in told(dataset).values() if not labels} == {"pred"}
    issues = check_dataset(dataset)
    assert [issue.kind for issue in issues] == ["image without a label"]
    assert "(pred)" in issues[0].where[0]


@pytest.mark.parametrize(
    "folders",
    [
        ("cats_train", "dogs_train"),
        ("train_station", "test_tube", "bus"),
        ("valid", "invalid"),
        ("test_good/day", "test_bad/day", "other/night"),
        ("train", "bus"),
        ("train/day", "bus/night"),
        ("seg_train/deep",),
    ],
)
def test_folders_that_only_resemble_splits_are_classes(tmp_path, folders):
    dataset = grow(tmp_path, *folders)
    assert set(dataset.splits) == {""}
    assert dataset.class_names == tuple(sorted({folder.partition("/")[0] for folder in folders}))


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("train", "test"), "test, train"),
        (("train_images", "test_images"), "test_images, train_images"),
        (("obj_train_data", "obj_valid_data"), "obj_train_data, obj_valid_data"),
        (("fold1", "fold2"), "fold1, fold2"),
        (("train",), "train"),
        (("train/images", "valid/images"), "train, valid"),
        (("images/train", "images/val"), "train, val"),
        (("seg_train/cat", "seg_test/dog"), "seg_test, seg_train"),
        (("cats_train/day", "dogs_train/day"), "cats_train, dogs_train"),
        (("train/cat", "train/dog", "extra/cat", "extra/dog"), "extra"),
        (("seg_train/cat", "seg_test/cat", "more"), "more"),
        (("imgs", "masks"), "imgs, masks"),
        (("train/images", "train/masks"), "images, masks"),
        (("coco/images", "voc/JPEGImages"), "coco, voc"),
    ],
)
def test_folders_that_may_be_splits_or_parts_are_refused(tmp_path, folders, named):
    with refused("unknown-layout", tmp_path, named):
        grow(tmp_path, *folders)


def test_classes_that_are_called_train_and_test_can_be_moved_into_a_split(tmp_path):
    """As the message says."""
    assert grow(tmp_path, "train/train", "train/test").class_names == ("test", "train")
