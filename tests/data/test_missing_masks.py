"""Masks that do not exist, of objects that have boxes."""

import pytest
from refusals import refused
from trees import plant

from weakspot.data import check_dataset, read_dataset
from weakspot.data.missing_masks import missing_mask_notes, without_missing_masks
from weakspot.evaluation.samples import check_samples, find_samples

HEADER = "image_id,xmin,ymin,xmax,ymax,class,has_mask\n"


@pytest.fixture
def folder(tmp_path):
    """Four images of which a CSV file says that they have a mask; only one mask exists."""
    rows = "cat/a,1,2,9,9,cat,1\ncat/b,1,2,9,9,cat,1\ncat/b,,,,,cat,1\ncat/c,1,2,9,9,cat,1\ncat/d,,,,,cat,1\n"
    images = {f"images/cat/{name}.png": (16, 16) for name in "abcd"}
    return plant(tmp_path, images | {"annotations.csv": HEADER + rows, "masks/cat/c.png": (16, 16)})


def test_boxes_are_used_without_the_masks_that_do_not_exist(folder):
    dataset = without_missing_masks(read_dataset(folder))
    told = {
        sample.image_id: [(item.box is not None, len(item.mask_files)) for item in sample.objects]
        for sample in dataset.samples
    }
    assert told == {
        "cat/a": [(True, 0)],
        "cat/b": [(True, 0), (False, 0)],  # of the other object only the class is known
        "cat/c": [(True, 1)],
        "cat/d": [(False, 1)],
    }
    masks = folder / "masks" / "cat"
    assert missing_mask_notes(dataset) == (f"2 masks do not exist, such as {masks / 'a.png'}: their boxes are used.",)


def test_without_a_missing_mask_nothing_changes(folder):
    for name in "abd":
        (folder / "masks" / "cat" / f"{name}.png").touch()
    dataset = read_dataset(folder)
    assert without_missing_masks(dataset) is dataset
    assert missing_mask_notes(dataset) == ()


def test_check_lists_them_and_an_evaluation_is_refused(folder):
    dataset = read_dataset(folder)
    issues = {issue.kind: issue.where for issue in check_dataset(dataset)}
    assert issues["missing mask file"] == tuple(str(folder / f"masks/cat/{name}.png") for name in "abd")
    with refused("mask-not-found", "3 mask files are missing"):
        check_samples(find_samples(dataset, "all"))
