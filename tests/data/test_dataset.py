from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from weakspot.data import Annotation, Dataset, Sample
from weakspot.errors import InputError


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
    ("splits", "asked", "hint"),
    [
        (["test", "train"], "tets", "Did you mean test?"),
        (["test", "train"], "x", "It has test, train; all takes everything."),
        (["", ""], "test", "Use --test-split all."),
        ([], "all", "Use --test-split all."),
    ],
)
def test_split_without_images_is_refused_in_two_lines(splits, asked, hint):
    with pytest.raises(InputError) as refusal:
        dataset(*splits).of_split(asked)
    assert str(refusal.value).splitlines() == [f"photos has no images in a split {asked!r}.", hint]


def test_records_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        dataset("test").samples[0].split = "train"
