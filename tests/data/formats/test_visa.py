import pytest
from refusals import refused
from trees import plant

from weakspot.data import check_dataset, read_dataset

IMAGES = {
    "Data/Images/Normal/0000.JPG": (9, 9),
    "Data/Images/Normal/0001.JPG": (9, 8),
    "Data/Images/Anomaly/000.JPG": (8, 9),
    "Data/Images/Anomaly/001.JPG": (7, 9),
}
MASKS = {"Data/Masks/Anomaly/000.png": (8, 9), "Data/Masks/Anomaly/001.png": (7, 9)}
TYPES = {
    "image_anno.csv": 'image,label,mask\ncandle/Data/Images/Anomaly/000.JPG,"melt, bent",candle/Data/Masks/a.png\n'
}
HEADER = "object,split,label,image,mask\n"
ROWS = """candle,train,normal,candle/Data/Images/Normal/0000.JPG,
candle,test,normal,candle/Data/Images/Normal/0001.JPG,
candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png
candle,Test,anomaly,candle/Data/Images/Anomaly/001.JPG,candle/Data/Masks/Anomaly/001.png
pcb1,train,normal,pcb1/Data/Images/Normal/0001.JPG,
"""


def product(root, name="candle", files=IMAGES | MASKS | TYPES):
    return plant(root / name, files)


def splits(dataset):
    return {sample.image_id: sample.split for sample in dataset.samples}


@pytest.mark.parametrize("given", ["candle", ""])
def test_a_product_is_read_with_its_masks_and_splits(tmp_path, given):
    product(tmp_path)
    plant(tmp_path, {"split_csv/1cls.csv": HEADER + ROWS})
    dataset = read_dataset(tmp_path / given)
    assert (dataset.layout, dataset.class_names, dataset.background) == ("VisA", ("normal", "defect"), "normal")
    found = {
        sample.image_id: (one.label, [mask.name for mask in one.masks])
        for sample in dataset.samples
        for one in sample.annotations
    }
    assert found == {
        "Anomaly/000": ("defect", ["000.png"]),
        "Anomaly/001": ("defect", ["001.png"]),
        "Normal/0000": ("normal", []),
        "Normal/0001": ("normal", []),
    }
    assert splits(dataset) == {
        "Anomaly/000": "test",
        "Anomaly/001": "test",
        "Normal/0000": "train",
        "Normal/0001": "test",
    }
    assert check_dataset(dataset) == []


def test_without_a_csv_of_splits_there_are_none(tmp_path):
    dataset = read_dataset(product(tmp_path))
    assert set(splits(dataset).values()) == {""}
    assert check_dataset(dataset) == []


def test_another_csv_of_splits_may_be_named(tmp_path):
    product(tmp_path)
    row = "candle,train,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png\n"
    plant(tmp_path, {"split_csv/1cls.csv": HEADER + ROWS, "split_csv/2cls_highshot.csv": HEADER + row})
    dataset = read_dataset(tmp_path / "candle", ground_truth=tmp_path / "split_csv/2cls_highshot.csv")
    assert splits(dataset)["Anomaly/000"] == "train"
    kinds = {issue.kind: len(issue.where) for issue in check_dataset(dataset)}
    assert kinds == {"image without a split": 3}


def test_a_product_of_another_name_than_in_the_csv_has_no_splits(tmp_path):
    product(tmp_path, "renamed")
    plant(tmp_path, {"split_csv/1cls.csv": HEADER + ROWS})
    dataset = read_dataset(tmp_path / "renamed")
    assert set(splits(dataset).values()) == {""}
    assert [(issue.kind.partition(":")[0], len(issue.where)) for issue in dataset.issues] == [
        ("product without a row in the CSV of splits", 1)
    ]


def test_missing_images_and_masks_are_named(tmp_path):
    files = IMAGES | {"Data/Masks/Anomaly/001.png": (7, 9), "Data/Masks/Anomaly/007.png": (7, 9)}
    del files["Data/Images/Normal/0001.JPG"]
    product(tmp_path, files=files)
    plant(tmp_path, {"split_csv/1cls.csv": HEADER + ROWS})
    folder = tmp_path / "candle/Data"
    issues = {issue.kind: issue.where for issue in check_dataset(read_dataset(tmp_path))}
    assert issues == {
        "mask of an unknown image": (f"{folder}/Masks/Anomaly/007.png",),
        "missing image file": (f"{folder}/Images/Normal/0001.JPG",),
        "missing mask file": (f"{folder}/Masks/Anomaly/000.png",),
    }


def test_one_of_several_products_must_be_selected(tmp_path):
    product(tmp_path)
    product(tmp_path, "pcb1")
    with refused("several-datasets", "candle, pcb1") as caught:
        read_dataset(tmp_path)
    assert str(tmp_path / "candle") in caught.value.hint
    assert len(read_dataset(tmp_path / "pcb1").samples) == 4


def test_a_path_outside_the_folder_is_refused(tmp_path):
    product(tmp_path)
    plant(tmp_path, {"split_csv/1cls.csv": HEADER + "candle,test,normal,candle/Data/Images/../../../a.JPG,\n"})
    with refused("path-outside", "1cls.csv"):
        read_dataset(tmp_path)
