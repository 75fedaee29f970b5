import pytest
from trees import plant

from weakspot.data import check_dataset, read_dataset


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
