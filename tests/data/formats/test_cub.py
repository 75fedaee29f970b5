import pytest
from refusals import refused
from trees import plant, told

from weakspot.data import check_dataset, read_dataset

BIRDS = {
    "images.txt": "1 001.Albatross/A_0001.jpg\n2 001.Albatross/A_0002.jpg\n3 010.Wren/W 1.jpg\n",
    "classes.txt": "1 001.Albatross\n10 010.Wren\n",
    "image_class_labels.txt": "1 1\n2 1\n3 10\n",
    "train_test_split.txt": "1 0\n2 1\n3 0\n",
    "bounding_boxes.txt": "1 6.0 7.0 32.5 20.0\n2 1.0 1.0 3.0 4.0\n3 0.0 0.0 9.0 9.0\n",
    "images/001.Albatross/A_0001.jpg": (40, 30),
    "images/001.Albatross/A_0002.jpg": (41, 30),
    "images/010.Wren/W 1.jpg": (9, 9),
}


def within(folder, files):
    return {f"{folder}/{name}": content for name, content in files.items()}


@pytest.mark.parametrize("folder", [".", "CUB_200_2011"])
def test_boxes_labels_and_splits_are_read(tmp_path, folder):
    dataset = read_dataset(plant(tmp_path, within(folder, BIRDS)))
    assert told(dataset) == {
        "001.Albatross/A_0001.jpg": ("test", {"001.Albatross": [[6, 7, 38.5, 27]]}),
        "001.Albatross/A_0002.jpg": ("train", {"001.Albatross": [[1, 1, 4, 5]]}),
        "010.Wren/W 1.jpg": ("test", {"010.Wren": [[0, 0, 9, 9]]}),
    }
    assert (dataset.layout, dataset.class_names) == ("CUB-200-2011", ("001.Albatross", "010.Wren"))
    assert [truth.class_index for example in dataset.samples for truth in example.annotations] == [0, 0, 9]
    assert dataset.samples[2].path == tmp_path / folder / "images/010.Wren/W 1.jpg"
    assert check_dataset(dataset) == []


@pytest.mark.parametrize("folder", ["segmentations", "CUB_200_2011/segmentations"])
def test_masks_are_beside_or_inside(tmp_path, folder):
    masks = {f"{folder}/001.Albatross/A_0001.png": (40, 30)}
    dataset = read_dataset(plant(tmp_path, within("CUB_200_2011", BIRDS) | masks))
    assert [truth.masks for example in dataset.samples for truth in example.annotations] == [
        (tmp_path / folder / "001.Albatross/A_0001.png",),
        (),
        (),
    ]


def test_images_may_be_elsewhere(tmp_path):
    dataset = read_dataset(plant(tmp_path, BIRDS | {"photos": None}), images=tmp_path / "photos")
    assert dataset.samples[2].path == tmp_path / "photos/010.Wren/W 1.jpg"


def test_image_without_class_split_or_box_is_kept(tmp_path):
    dataset = read_dataset(plant(tmp_path, BIRDS | {"image_class_labels.txt": "1 1\n", "bounding_boxes.txt": "\n"}))
    assert told(dataset)["001.Albatross/A_0001.jpg"] == ("test", {"001.Albatross": []})
    assert told(dataset)["001.Albatross/A_0002.jpg"] == ("train", {})
    dataset = read_dataset(plant(tmp_path, {"train_test_split.txt": "1 0\n"}))
    assert dataset.splits == {"test": 1, "": 2}


def test_image_listed_twice_is_two_examples(tmp_path):
    listed = BIRDS["images.txt"] + "3 010.Wren/W 1.jpg\n"
    assert len(read_dataset(plant(tmp_path, BIRDS | {"images.txt": listed})).samples) == 4


def test_rows_of_an_image_that_is_not_listed_are_a_problem(tmp_path):
    dataset = read_dataset(plant(tmp_path, BIRDS | {"images.txt": "1 001.Albatross/A_0001.jpg\n3 010.Wren/W 1.jpg\n"}))
    (problem,) = dataset.issues
    assert problem.kind == "row for an unknown image"
    assert [place.removeprefix(f"{tmp_path}/") for place in problem.where] == [
        "image_class_labels.txt, line 2",
        "train_test_split.txt, line 2",
        "bounding_boxes.txt, line 2",
    ]


@pytest.mark.parametrize(
    ("file", "text", "code", "value"),
    [
        ("images.txt", "1\n", "missing-fields", "line 1"),
        ("images.txt", "1 ../a.jpg\n", "path-outside", "line 1"),
        ("classes.txt", "1 a\none b\n", "number-invalid", "line 2"),
        ("image_class_labels.txt", "1 1\n2 bird\n", "number-invalid", "line 2"),
        ("image_class_labels.txt", "1 2\n", "unknown-class", "line 1"),
        ("bounding_boxes.txt", "1 6 7 32\n", "missing-fields", "line 1"),
        ("bounding_boxes.txt", "1 6 7 32 wide\n", "number-invalid", "line 1"),
        ("train_test_split.txt", "1 train\n", "number-invalid", "line 1"),
    ],
)
def test_invalid_file_is_refused(tmp_path, file, text, code, value):
    with refused(code, file, value):
        read_dataset(plant(tmp_path, BIRDS | {file: text}))
