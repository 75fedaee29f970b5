import pytest
from trees import plant, told

from weakspot.data import check_dataset, read_dataset
from weakspot.errors import InputError

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
    ("file", "text", "problem"),
    [
        ("images.txt", "1\n", "line 1, has 1 field, not 2."),
        ("images.txt", "1 ../a.jpg\n", "line 1, names '../a.jpg', which is not inside the data set."),
        ("classes.txt", "1 a\none b\n", "line 2, has 'one' where a number belongs."),
        ("image_class_labels.txt", "1 1\n2 bird\n", "line 2, has 'bird' where a number belongs."),
        ("image_class_labels.txt", "1 2\n", "line 1, names the class 2, which classes.txt lacks."),
        ("bounding_boxes.txt", "1 6 7 32\n", "line 1, has 3 fields, not 4."),
        ("bounding_boxes.txt", "1 6 7 32 wide\n", "line 1, has 'wide' where a number belongs."),
        ("train_test_split.txt", "1 train\n", "line 1, has 'train' where a number belongs."),
    ],
)
def test_line_that_cannot_be_understood_is_refused(tmp_path, file, text, problem):
    with pytest.raises(InputError) as refusal:
        read_dataset(plant(tmp_path, BIRDS | {file: text}))
    lines = str(refusal.value).splitlines()
    assert (lines[0], len(lines)) == (f"{tmp_path}/{file}, {problem}", 2)
