import pytest
from refusals import refused
from trees import plant

from weakspot.data import check_dataset, read_dataset
from weakspot.data.dataset_checks import labels_without_box

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
    dataset = read_dataset(plant(tmp_path, files))
    issues = {issue.kind: issue.where for issue in check_dataset(dataset)}
    assert issues == {"mask of an unknown image": (f"{tmp_path}/ground_truth/crack/007_mask.png",)}
    assert labels_without_box(dataset) == ("test/crack/000: crack (test)",)


def test_one_product_is_found_in_its_folder_and_one_of_several_must_be_selected(tmp_path):
    plant(tmp_path / "bottle", IMAGES | MASKS)
    assert len(read_dataset(tmp_path).samples) == len(IMAGES)
    plant(tmp_path / "cable", IMAGES | MASKS)
    with refused("several-datasets", "bottle, cable") as caught:
        read_dataset(tmp_path)
    assert str(tmp_path / "bottle") in caught.value.hint


def test_good_images_have_no_object_in_every_split(tmp_path):
    more = {"validation/good/000.png": (6, 9), "ground_truth/good/000_mask.png": (8, 8)}
    dataset = read_dataset(plant(tmp_path, IMAGES | MASKS | more))
    good = [sample for sample in dataset.samples if sample.objects[0].label == dataset.background]
    assert {sample.split for sample in good} == {"train", "validation", "test"}
    assert not any(item.mask_files for sample in good for item in sample.objects)
    assert check_dataset(dataset) == []


def test_the_ground_truth_may_be_in_the_folder_of_its_split(tmp_path):
    files = {
        "train/good/000_regular.png": (9, 9),
        "validation/good/001_regular.png": (9, 8),
        "test_public/good/002_regular.png": (9, 7),
        "test_public/bad/003_shift_1.png": (9, 6),
        "test_public/ground_truth/bad/003_shift_1_mask.png": (9, 6),
        "test_private/004_regular.png": (9, 5),
        "test_private_mixed/004_mixed.png": (9, 4),
    }
    dataset = read_dataset(plant(tmp_path / "can", files))
    assert (dataset.layout, dataset.class_names, dataset.background) == ("MVTec", ("good", "bad"), "good")
    assert labels_of(dataset) == {
        "test_private/004_regular": ("test_private", []),
        "test_private_mixed/004_mixed": ("test_private_mixed", []),
        "test_public/bad/003_shift_1": ("test", ["bad"]),
        "test_public/good/002_regular": ("test", ["good"]),
        "train/good/000_regular": ("train", ["good"]),
        "validation/good/001_regular": ("validation", ["good"]),
    }
    assert masks_of(dataset)["test_public/bad/003_shift_1"] == ["test_public/ground_truth/bad/003_shift_1_mask.png"]
    assert [issue.kind for issue in check_dataset(dataset)] == ["image without a label"]


def test_images_may_be_elsewhere(tmp_path):
    plant(tmp_path / "bottle", IMAGES | MASKS)
    dataset = read_dataset(tmp_path / "bottle", images=plant(tmp_path / "other", IMAGES))
    assert {sample.path.is_relative_to(tmp_path / "other") for sample in dataset.samples} == {True}
    assert masks_of(dataset)["test/crack/000"] == ["ground_truth/crack/000_mask.png"]
