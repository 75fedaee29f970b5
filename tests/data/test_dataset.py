from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from refusals import refused

from weakspot.data import Annotation, Dataset, Sample


def dataset(*splits):
    examples = tuple(Sample(str(count), Path(f"{count}.jpg"), split) for count, split in enumerate(splits))
    return Dataset(Path("photos"), "class folders", ("cat",), examples)


def test_truth_has_no_box_unless_it_is_given():
    assert Annotation("cat").boxes.shape == (0, 4)
    assert (Annotation("cat").class_index, Annotation("cat").masks, Annotation("cat").ignore) == (None, (), None)


def test_splits_count_images_in_the_order_in_which_they_appear():
    assert list(dataset("test", "train", "test").splits.items()) == [("test", 2), ("train", 1)]
    assert dataset().splits == {}


@pytest.mark.parametrize(("split", "ids"), [("test", ["0", "2"]), ("train", ["1"]), ("all", ["0", "1", "2"])])
def test_split_gives_its_images_in_order(split, ids):
    assert [example.image_id for example in dataset("test", "train", "test").of_split(split)] == ids


@pytest.mark.parametrize(
    ("splits", "name", "hint"),
    [
        (["test", "train"], "tets", "test?"),
        (["test", "train"], "x", "test, train"),
        (["", ""], "test", "all"),
        ([], "all", "all"),
    ],
)
def test_split_without_images_is_refused(splits, name, hint):
    with refused("unknown-split", name, hint):
        dataset(*splits).of_split(name)


def test_records_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        dataset("test").samples[0].split = "train"
