import pytest
from trees import plant

from weakspot.data import Dataset, check_dataset, read_dataset
from weakspot.data.formats.good_classes import with_good_background


@pytest.mark.parametrize(
    ("good", "others", "background"),
    [
        ("good", ["bad"], "good"),
        ("OK", ["NG"], "OK"),
        ("Normal", ["Anomaly", "defects"], "Normal"),
        ("good", ["scratch", "dent"], ""),
        ("ok", ["fist", "peace"], ""),
        ("good", ["ok", "bad"], ""),
        ("fine", ["bad"], ""),
        ("good", [], ""),
    ],
)
@pytest.mark.parametrize("split", ["", "train/"])
def test_a_class_folder_has_no_objects_if_all_others_have_defects(tmp_path, good, others, background, split):
    files = {f"{split}{name}/{i}.png": (9 + i, 9) for i, name in enumerate([good, *others])}
    dataset = read_dataset(plant(tmp_path, files))
    assert dataset.background == background
    assert dataset.class_names == tuple(sorted([good, *others]))


def test_a_class_folder_has_no_objects_if_all_others_have_masks(tmp_path):
    files = {"good/a.png": (9, 9), "dent/b.png": (8, 8), "hole/c.png": (7, 7), "masks/dent/b.png": (8, 8)}
    assert read_dataset(plant(tmp_path, files)).background == ""
    dataset = read_dataset(plant(tmp_path, {"masks/hole/c.png": (7, 7)}))
    assert dataset.background == "good"
    assert check_dataset(dataset) == []
    assert read_dataset(plant(tmp_path, {"masks/good/a.png": (9, 9)})).background == ""


@pytest.mark.parametrize(
    ("names", "background"),
    [
        (("Good", "pit"), "Good"),
        (("good", "ok", "pit"), ""),
        (("good", "Background", "pit"), ""),
        (("pit", "scratch"), ""),
    ],
)
def test_the_only_good_class_is_that_of_images_without_an_object(tmp_path, names, background):
    assert with_good_background(Dataset(tmp_path, "class folders", names, ())).background == background


def test_a_known_class_of_images_without_an_object_stays(tmp_path):
    known = Dataset(tmp_path, "class folders", ("good", "empty"), (), background="empty")
    assert with_good_background(known) is known
