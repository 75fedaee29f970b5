import numpy as np
import pytest
from PIL import Image
from refusals import refused
from trees import plant

from weakspot.data import check_dataset, read_dataset
from weakspot.data.annotated_image import read_mask
from weakspot.data.annotation_kinds import annotation_kind
from weakspot.data.formats import mask_contents


def draw(root, **masks):
    """Write images of noise, and masks: 0 is a black one, 1 has an object, a list has these values."""
    for i, (name, value) in enumerate(masks.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 12, 3), np.uint8)).save(path)
        else:
            pixels = np.zeros((9, 12), np.uint8)
            pixels[2:5, 3] = value if isinstance(value, list) else 255 * value
            Image.fromarray(pixels).save(path)
    return root


def said(dataset):
    """Split, class and names of the masks of each image."""
    return {
        sample.image_id: (sample.split, one.label, [str(mask.relative_to(dataset.root)) for mask in one.masks])
        for sample in dataset.samples
        for one in sample.annotations
    }


def issues(dataset):
    return {issue.kind: issue.where for issue in dataset.issues}


KOLEKTOR = {
    "kos01/Part0.jpg": None,
    "kos01/Part0_label.bmp": 0,
    "kos01/Part1.jpg": None,
    "kos01/Part1_label.bmp": 1,
    "kos50/Part0.jpg": None,
    "kos50/Part0_label.bmp": 0,
}


@pytest.mark.parametrize("folder", ["", "KolektorSDD"])
def test_kolektor_sdd_has_a_label_image_for_each_part_of_an_item(tmp_path, folder):
    draw(tmp_path / folder, **KOLEKTOR)
    dataset = read_dataset(tmp_path)
    assert (dataset.class_names, dataset.background, dataset.issues) == (("good", "defect"), "good", ())
    mask = f"{folder}/kos01/Part1_label.bmp".lstrip("/")
    assert said(dataset) == {
        "kos01/Part0": ("", "good", []),
        "kos01/Part1": ("", "defect", [mask]),
        "kos50/Part0": ("", "good", []),
    }
    assert [sample.group for sample in dataset.samples] == ["kos01", "kos01", "kos50"]
    assert [annotation_kind(sample, "good") for sample in dataset.samples] == ["empty", "all", "empty"]
    assert check_dataset(dataset) == []


def test_kolektor_sdd_2_has_a_mask_next_to_each_image_of_a_split(tmp_path):
    names = {"train/10000": 0, "train/10001": 1, "test/20000": 1, "test/20001": 0}
    files = {f"{name}{end}.png": value for name, of in names.items() for end, value in (("", None), ("_GT", of))}
    dataset = read_dataset(draw(tmp_path, **files))
    assert said(dataset) == {
        "test/20000": ("test", "defect", ["test/20000_GT.png"]),
        "test/20001": ("test", "good", []),
        "train/10000": ("train", "good", []),
        "train/10001": ("train", "defect", ["train/10001_GT.png"]),
    }
    assert {sample.group for sample in dataset.samples} == {""}
    assert check_dataset(dataset) == []


@pytest.mark.parametrize(
    ("image", "mask", "image_id", "split"),
    [
        ("a.jpg", "a_mask.png", "a", ""),
        ("a.png", "a_Label.TIF", "a", ""),
        ("images/a.jpg", "masks/a.png", "a", ""),
        ("images/a.jpg", "masks/a_mask.png", "a", ""),
        ("img/a_mask.jpg", "gt/a_mask.png", "a_mask", ""),
        ("train/images/a.jpg", "train/masks/a.png", "train/a", "train"),
        ("images/val/a.jpg", "masks/val/a.png", "val/a", "val"),
        ("test/images/a.jpg", "test/ground_truth/a_gt.bmp", "test/a", "test"),
        ("more/images/a.jpg", "more/masks/a.png", "a", ""),
    ],
)
def test_a_mask_has_the_path_and_name_of_its_image(tmp_path, image, mask, image_id, split):
    dataset = read_dataset(draw(tmp_path, **{image: None, mask: 1}))
    assert dataset.layout == "images with masks"
    assert said(dataset) == {image_id: (split, "defect", [mask])}
    assert dataset.samples[0].path == tmp_path / image


def test_several_masks_of_an_image_are_united_and_black_ones_do_not_count(tmp_path):
    dataset = read_dataset(draw(tmp_path, **{"a.jpg": None, "a_mask.png": 1, "a_mask.bmp": 0, "a_gt.png": 1}))
    assert said(dataset) == {"a": ("", "defect", ["a_gt.png", "a_mask.png"])}


def test_class_folders_name_the_defect_and_good_images_need_no_mask(tmp_path):
    files = {"scratch/a.png": None, "scratch/a_mask.png": 1, "dent/b.png": None, "dent/b_mask.png": 0}
    files |= {"scratch/c.png": None, "OK/d.png": None, "OK/e.png": None, "OK/e_mask.png": 0}
    dataset = read_dataset(draw(tmp_path, **files))
    assert (dataset.class_names, dataset.background) == (("OK", "scratch"), "OK")
    assert said(dataset) == {
        "OK/d": ("", "OK", []),
        "OK/e": ("", "OK", []),
        "dent/b": ("", "OK", []),
        "scratch/a": ("", "scratch", ["scratch/a_mask.png"]),
        "scratch/c": ("", "scratch", []),
    }


def test_an_object_in_a_folder_of_good_images_is_a_contradiction(tmp_path):
    files = {"scratch/a.png": None, "scratch/a_mask.png": 1, "good/b.png": None, "good/b_mask.png": 1}
    dataset = read_dataset(draw(tmp_path, **files))
    assert list(said(dataset)) == ["scratch/a"]
    assert issues(dataset) == {mask_contents.CONTRADICTORY: (f"{tmp_path}/good/b_mask.png",)}
    assert (dataset.class_names, dataset.background) == (("scratch",), "")


def test_images_of_which_nothing_is_known_are_left_out_and_named(tmp_path):
    files = {
        "a.png": None,
        "a_mask.png": 1,
        "b.png": None,
        "c.png": None,
        "c_mask.png": 1,
        "d.png": None,
        "d_mask.png": 0,
    }
    draw(tmp_path, **files)
    (tmp_path / "c_mask.png").write_bytes((tmp_path / "c_mask.png").read_bytes()[:40])
    dataset = read_dataset(tmp_path)
    assert list(said(dataset)) == ["a", "d"]
    found = {issue.kind: issue.where for issue in check_dataset(dataset)}
    assert found.keys() == {mask_contents.NO_MASK, mask_contents.UNREADABLE}
    assert found[mask_contents.NO_MASK] == ("b",)
    assert f"{tmp_path}/c_mask.png" in found[mask_contents.UNREADABLE][0]
    assert len(mask_contents.mask_notes(dataset)) == 2


def test_a_mask_without_its_image_is_named(tmp_path):
    dataset = read_dataset(draw(tmp_path, **{"images/a.png": None, "masks/a.png": 1, "masks/b.png": 1}))
    assert issues(dataset) == {"mask of an unknown image": (f"{tmp_path}/masks/b.png",)}


def test_a_mask_of_several_values_is_read_as_one_object_and_named(tmp_path):
    dataset = read_dataset(draw(tmp_path, **{"a.jpg": None, "a_mask.png": [1, 2, 3]}))
    assert issues(dataset) == {mask_contents.LEVELS: (f"{tmp_path}/a_mask.png",)}
    (mask,) = dataset.samples[0].annotations[0].masks
    assert read_mask(mask).sum() == 3


def test_each_mask_is_decoded_once_within_the_limit_of_pixels(tmp_path, monkeypatch):
    decoded = []
    read = mask_contents.read_image
    monkeypatch.setattr(mask_contents, "read_image", lambda path, **rest: decoded.append(path) or read(path, **rest))
    draw(tmp_path, **KOLEKTOR)
    header = b"BM" + (10**6).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    header += (60_000).to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24)
    (tmp_path / "kos50/Part0_label.bmp").write_bytes(header + bytes(100))
    dataset = read_dataset(tmp_path)
    assert sorted(decoded) == sorted(tmp_path.glob("*/*.bmp"))
    assert list(issues(dataset)) == [mask_contents.UNREADABLE]
    assert list(said(dataset)) == ["kos01/Part0", "kos01/Part1"]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"cat/a.png": None, "dog/b.png": None, "dog/c_mask.png": None}, id="no pair"),
        pytest.param({"mask/a.png": 1, "no_mask/a.png": None}, id="classes called mask and no_mask"),
        pytest.param({"cat/a.png": None, "cat/a_mask.jpg": 1}, id="JPEG"),
        pytest.param({f"cat/{name}.png": None for name in ("a", "a_label", "b", "c")}, id="less than half"),
    ],
)
def test_class_folders_without_masks_remain_class_folders(tmp_path, files):
    assert read_dataset(draw(tmp_path, **files)).layout == "class folders"


def test_class_folders_next_to_masks_keep_their_layout(tmp_path):
    dataset = read_dataset(draw(tmp_path, **{"images/cat/a.jpg": None, "masks/cat/a.png": 1}))
    assert (dataset.layout, dataset.class_names) == ("class folders with masks", ("cat",))


def test_indexed_masks_without_class_folders_are_refused(tmp_path):
    files = {"images/a.jpg": (9, 9), "masks/a.png": (9, 9), "classes.txt": "cat\n"}
    with refused("unknown-layout", tmp_path):
        read_dataset(plant(tmp_path, files))


def test_images_may_be_elsewhere(tmp_path):
    draw(tmp_path, **{"set/images/a.jpg": None, "set/masks/a.png": 1, "other/a.jpg": None})
    dataset = read_dataset(tmp_path / "set", images=tmp_path / "other")
    assert [sample.path for sample in dataset.samples] == [tmp_path / "other/a.jpg"]
    assert said(dataset) == {"a": ("", "defect", ["masks/a.png"])}
