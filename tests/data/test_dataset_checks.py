from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trees import plant, turned

from weakspot.data import BLOCKING, Dataset, DatasetIssue, ObjectAnnotation, Sample, check_dataset, read_dataset
from weakspot.data.dataset_checks import labels_without_box
from weakspot.data.exact_duplicates import exact_duplicates
from weakspot.errors import InputError

HEADER = "image_id,width,height,class,xmin,ymin,xmax,ymax,has_mask\n"
_black = BytesIO()
Image.new("L", (40, 30)).save(_black, "png")
BLACK = _black.getvalue()
SOUND = {
    "images/cat/a.jpg": (40, 30),
    "images/cat/b.jpg": (20, 20),
    "images/dog/c.jpg": (50, 60),
    "masks/cat/a.png": (40, 30),
    "annotations.csv": HEADER
    + "cat/a,40,30,cat,1,2,30,20,1\ncat/b,20,20,cat,0,0,20,20,0\ndog/c,50,60,dog,3,4,50,60,0\n",
    "splits.csv": "image_id,split\ncat/a,train\ncat/b,val\ndog/c,test\n",
}


def found(dataset, **options):
    return {problem.kind: problem.where for problem in check_dataset(dataset, **options)}


def checked(root, changes=(), **options):
    """What is wrong with the sound data set once these files are in it."""
    problems = found(read_dataset(plant(root, SOUND | dict(changes))), **options)
    return {kind: tuple(place.replace(f"{root}/", "") for place in where) for kind, where in problems.items()}


def rows(*lines):
    return {"annotations.csv": SOUND["annotations.csv"] + "".join(f"{line}\n" for line in lines)}


def one_box(*sides, size=(30, 40)):
    objects = (ObjectAnnotation("cat", tuple(map(float, sides))),)
    return Dataset(Path(), "drawn", ("cat",), (Sample("a", Path("a.jpg"), objects=objects, size=size),))


def test_sound_data_set_has_no_problem(tmp_path):
    assert checked(tmp_path) == {}


@pytest.mark.parametrize(
    ("sides", "kind"),
    [
        pytest.param((0, 0, 40, 30), None, id="the whole image"),
        pytest.param((-1, -1, 41, 31), None, id="one pixel over the edge"),
        pytest.param((-1.01, 0, 40, 30), "box outside the image", id="left"),
        pytest.param((0, -2, 40, 30), "box outside the image", id="above"),
        pytest.param((0, 0, 41.5, 30), "box outside the image", id="right"),
        pytest.param((0, 0, 40, 32), "box outside the image", id="below"),
        pytest.param((0, 0, 30, 40), "box outside the image", id="height is not width"),
        pytest.param((5, 5, 5, 9), "box without area", id="no width"),
        pytest.param((5, 5, 9, 5), "box without area", id="no height"),
        pytest.param((9, 5, 5, 9), "box with swapped sides", id="left and right"),
        pytest.param((5, 9, 5, 5), "box with swapped sides", id="top and bottom"),
        pytest.param((5, np.nan, 9, 9), "box that is not finite", id="nan"),
        pytest.param((5, 5, np.inf, 9), "box that is not finite", id="infinite"),
    ],
)
def test_box_that_cannot_be_is_named(sides, kind):
    problems = found(one_box(*sides), files=False)
    assert problems.pop("missing image file") == ("a.jpg",)
    assert problems == ({} if kind is None else {kind: (f"a: cat {', '.join(f'{x:g}' for x in sides)} in 40 x 30",)})


def test_frame_of_a_box_is_the_file_where_no_size_is_annotated(tmp_path):
    (tmp_path / "cat").mkdir()
    turned(tmp_path / "cat/a.jpg", 40, 30)
    plant(tmp_path, {"annotations.csv": "image_id,xmin,ymin,xmax,ymax\ncat/a,0,0,40,30\ncat/a,0,0,30,40\n"})
    assert found(read_dataset(tmp_path)) == {"box outside the image": ("cat/a: cat 0, 0, 30, 40 in 40 x 30",)}


@pytest.mark.parametrize(("width", "height", "sound"), [(40, 30, True), (30, 40, True), (41, 30, False)])
def test_annotated_size_is_that_of_the_stored_or_the_upright_image(tmp_path, width, height, sound):
    (tmp_path / "cat").mkdir()
    turned(tmp_path / "cat/a.jpg", 40, 30)
    plant(tmp_path, {"annotations.csv": f"{HEADER}cat/a,{width},{height},cat,1,2,3,4,\n"})
    wrong = {"annotated size that differs from the file's": ("cat/a: 41 x 30, the file has 40 x 30",)}
    assert found(read_dataset(tmp_path)) == ({} if sound else wrong)


@pytest.mark.parametrize(
    ("files", "kind", "places"),
    [
        (
            {"splits.csv": f"{SOUND['splits.csv']}cat/gone,val\n"} | rows("cat/gone,9,9,cat,1,2,3,4,0"),
            "missing image file",
            ("images/cat/gone.jpg",),
        ),
        (rows("cat/b,20,20,cat,1,2,3,4,1"), "missing mask file", ("masks/cat/b.png",)),
        ({"masks/cat/a.png": BLACK}, "mask that is black", ("cat/a: cat masks/cat/a.png",)),
        (rows("cat/a,40,30,cat,1,2,30,20,1"), "duplicate box", ("cat/a: cat 1, 2, 30, 20 in 40 x 30",)),
        ({"images/cat/a.png": (40, 30)}, "duplicate image id in a split", ("cat/a (train)",)),
        (
            {"splits.csv": f"{SOUND['splits.csv']}cat/a,test\ncat/a,val\n"},
            "image in two splits",
            ("cat/a: train, test, val",),
        ),
        (
            {"splits.csv": "image_id,split\ncat/a,train\ncat/b,train\n"},
            "image without a split",
            ("dog/c",),
        ),
        ({"images/bird": None}, "class without images", ("bird",)),
        (
            {"images/cat/a.jpg": b"text"},
            "file that is not an image, or is damaged",
            ("images/cat/a.jpg is not a JPEG, PNG, WebP, TIFF, BMP or GIF image.",),
        ),
        (
            {"images/cat/a.jpg": b"\xff\xd8\xff\xe0"},
            "file that is not an image, or is damaged",
            ("Cannot read the header of images/cat/a.jpg.",),
        ),
        (
            {"masks/cat/a.png": b""},
            "file that is not an image, or is damaged",
            ("masks/cat/a.png is empty (0 bytes).",),
        ),
        (
            {"images/cat/a.jpg": (30, 40)},
            "annotated size that differs from the file's",
            ("cat/a: 40 x 30, the file has 30 x 40",),
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_else(tmp_path, files, kind, places):
    assert checked(tmp_path, files) == {kind: places}


def test_label_without_a_box_is_no_issue_and_counts_where_others_have_boxes(tmp_path):
    files = {f"images/cat/{name}.jpg": (9, height) for height, name in enumerate(["n1", "n2"], start=5)}
    files["splits.csv"] = SOUND["splits.csv"] + "cat/n1,val\ncat/n2,bare\n"
    assert checked(tmp_path, files) == {}
    assert labels_without_box(read_dataset(tmp_path)) == ("cat/n1: cat (val)",)


def test_image_without_a_label_is_named(tmp_path):
    assert checked(tmp_path, {"images/x.jpg": (9, 9), "splits.csv": f"{SOUND['splits.csv']}x,val\n"}) == {
        "image without a label": ("x (val)",)
    }


def test_same_bytes_are_found_under_other_names(tmp_path):
    plant(tmp_path, SOUND)
    picture = (tmp_path / "images/cat/a.jpg").read_bytes()
    files = {f"images/cat/{name}.jpg": picture for name in ("a2", "a3")}
    files |= rows("cat/a2,40,30,cat,1,2,30,20,0", "cat/a3,40,30,cat,1,2,30,20,0")
    files["splits.csv"] = SOUND["splits.csv"] + "cat/a2,train\ncat/a3,test\n"
    assert checked(tmp_path, files) == {
        "duplicate image in a split": ("images/cat/a.jpg = images/cat/a2.jpg (train)",),
        "image in two splits": ("images/cat/a.jpg (train) = images/cat/a3.jpg (test)",),
    }


def test_a_black_mask_next_to_another_is_no_problem(tmp_path):
    masks = [tmp_path / f"{name}.png" for name in ("black", "white")]
    for mask, color in zip(masks, (0, 255), strict=True):
        Image.new("L", (9, 9), color).save(mask)
    plant(tmp_path, {"a.png": (9, 9)})
    for files, kinds in ((masks, []), (masks[:1], ["mask that is black"])):
        item = ObjectAnnotation("cat", mask_files=tuple(files))
        dataset = Dataset(tmp_path, "drawn", ("cat",), (Sample("a", tmp_path / "a.png", objects=(item,)),))
        assert list(found(dataset)) == kinds


def test_files_are_not_opened_unless_asked_for(tmp_path):
    plant(tmp_path, SOUND)
    picture = (tmp_path / "images/cat/a.jpg").read_bytes()
    files = {"images/cat/b.jpg": b"text", "images/dog/c.jpg": picture, "masks/cat/a.png": b""}
    assert checked(tmp_path, files | rows("cat/gone,9,9,cat,1,2,3,4,1"), files=False) == {
        "missing image file": ("images/cat/gone.jpg",),
        "missing mask file": ("masks/cat/gone.png",),
        "image without a split": ("cat/gone",),
    }


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_truncated_files_are_found(tmp_path, suffix):
    plant(tmp_path, {"cat/a.jpg": (9, 9)})
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    for name in ("whole", "truncated"):
        Image.fromarray(pixels).save(tmp_path / f"cat/{name}.{suffix}")
    file = tmp_path / f"cat/truncated.{suffix}"
    file.write_bytes(file.read_bytes()[:-2000])
    (issue,) = check_dataset(read_dataset(tmp_path))
    assert issue.kind == "file that is not an image, or is damaged"
    assert [str(file) in line for line in issue.where] == [True]


def test_a_large_image_is_no_issue(tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.data.dataset_checks.read_downscaled", too_large)
    assert check_dataset(read_dataset(plant(tmp_path, {"cat/a.jpg": (9, 9)}))) == []


def too_large(*_, **__):
    raise InputError("image-too-large", "It has too many pixels.")


def test_other_files_are_listed(tmp_path):
    plant(tmp_path, {"cat/a.jpg": (9, 9), "cat/b.mp4": b"x", "cat/c.HEIC": b"x", "notes.txt": b"x"})
    issues = check_dataset(read_dataset(tmp_path))
    assert [issue.where for issue in issues] == [(f"{tmp_path}/cat/b.mp4",), (f"{tmp_path}/cat/c.HEIC",)]
    assert "pip install" in issues[1].kind


def test_problems_of_the_reader_come_first(tmp_path):
    files = {"splits.csv": f"{SOUND['splits.csv']}cat/a,train\n"} | rows("cat/gone,9,9,cat,1,2,3,4,0")
    dataset = read_dataset(plant(tmp_path, SOUND | files))
    assert check_dataset(dataset)[0] == DatasetIssue("duplicate split", (f"{tmp_path}/splits.csv, line 5: cat/a",))


def test_every_serious_kind_is_found_by_its_name(tmp_path):
    files = {"images/cat/a.png": (40, 30), "images/cat/b.jpg": b"text", "masks/cat/a.png": BLACK}
    boxes = ("1,1,1,4", "4,1,2,4", "nan,1,2,4")
    problems = checked(
        tmp_path, files | rows("cat/gone,9,9,cat,1,2,3,4,0", *(f"dog/c,50,60,dog,{box},0" for box in boxes))
    )
    assert problems.keys() >= BLOCKING


@given(st.lists(st.binary(max_size=3) | st.integers(0, 3).map(lambda end: bytes(9000) + bytes([end])), max_size=8))
def test_same_pictures_are_those_of_equal_bytes(tmp_path_factory, contents):
    folder = tmp_path_factory.getbasetemp() / "same"
    folder.mkdir(exist_ok=True)
    paths = {folder / str(count): content for count, content in enumerate(contents)}
    for path, content in paths.items():
        path.write_bytes(content)
    alike = [[path for path in paths if paths[path] == content] for content in dict.fromkeys(contents)]
    groups = exact_duplicates({path: len(content) for path, content in paths.items()})
    assert sorted(groups) == sorted(group for group in alike if len(group) > 1)


def test_pictures_which_differ_in_their_first_bytes_only_are_not_the_same(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(path.name.encode() + bytes(9000))
    assert exact_duplicates(dict.fromkeys([*paths, tmp_path / "gone"], 9001)) == []
