import pytest
from refusals import refused
from trees import plant

from weakspot.data import check_dataset, read_dataset

IMAGES = {
    "train/good/000.png": (9, 9),
    "train/good/001.png": (9, 8),
    "test/good/000.png": (8, 8),
    "test/crack/000.png": (8, 9),
    "test/hole/000.png": (7, 9),
}
MASKS = {"ground_truth/crack/000_mask.png": (8, 9), "ground_truth/hole/000_mask.png": (7, 9)}


def masks_of(dataset):
    return {
        sample.image_id: [str(mask.relative_to(dataset.root)) for one in sample.annotations for mask in one.masks]
        for sample in dataset.samples
    }


def labels_of(dataset):
    return {sample.image_id: (sample.split, [one.label for one in sample.annotations]) for sample in dataset.samples}


def test_defects_have_masks_and_good_images_are_the_background(tmp_path):
    dataset = read_dataset(plant(tmp_path, IMAGES | MASKS | {"readme.txt": "", "license.txt": ""}))
    assert (dataset.layout, dataset.class_names, dataset.background) == ("MVTec", ("good", "crack", "hole"), "good")
    assert labels_of(dataset) == {
        "test/crack/000": ("test", ["crack"]),
        "test/good/000": ("test", ["good"]),
        "test/hole/000": ("test", ["hole"]),
        "train/good/000": ("train", ["good"]),
        "train/good/001": ("train", ["good"]),
    }
    found = {image_id: masks for image_id, masks in masks_of(dataset).items() if masks}
    assert found == {
        "test/crack/000": ["ground_truth/crack/000_mask.png"],
        "test/hole/000": ["ground_truth/hole/000_mask.png"],
    }
    assert check_dataset(dataset) == []


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["ground_truth/crack/000.png"], id="BTAD"),
        pytest.param(["ground_truth/crack/000/000.png", "ground_truth/crack/000/001.png"], id="MVTec LOCO"),
        pytest.param(["Ground_Truth/crack/000_mask.bmp"], id="another suffix"),
    ],
)
def test_masks_have_several_names(tmp_path, names):
    dataset = read_dataset(plant(tmp_path, IMAGES | dict.fromkeys(names, (8, 9))))
    assert masks_of(dataset)["test/crack/000"] == names


@pytest.mark.parametrize("good", ["ok", "Normal"])
def test_good_images_have_several_names(tmp_path, good):
    files = {name.replace("good", good): size for name, size in (IMAGES | MASKS).items()}
    dataset = read_dataset(plant(tmp_path, files))
    assert (dataset.background, dataset.class_names[0]) == (good, good)


def test_a_mask_is_that_of_the_test_image(tmp_path):
    dataset = read_dataset(
        plant(tmp_path, IMAGES | MASKS | {"train/crack/000.png": (5, 5), "train/crack/1.png": (4, 4)})
    )
    masks = masks_of(dataset)
    assert masks["test/crack/000"]
    assert not masks["train/crack/000"]


def test_defects_without_a_mask_and_masks_without_an_image_are_listed(tmp_path):
    files = IMAGES | {"ground_truth/crack/007_mask.png": (8, 9), "ground_truth/hole/000_mask.png": (7, 9)}
    issues = {issue.kind: issue.where for issue in check_dataset(read_dataset(plant(tmp_path, files)))}
    assert issues == {
        "mask of an unknown image": (f"{tmp_path}/ground_truth/crack/007_mask.png",),
        "label without a box": ("test/crack/000: crack (test)",),
    }


def test_one_product_is_found_in_its_folder_and_one_of_several_must_be_selected(tmp_path):
    plant(tmp_path / "bottle", IMAGES | MASKS)
    assert len(read_dataset(tmp_path).samples) == len(IMAGES)
    plant(tmp_path / "cable", IMAGES | MASKS)
    with refused("several-datasets", "bottle, cable"):
        read_dataset(tmp_path)
