import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from refusals import refused

from weakspot.data import check_dataset, read_dataset, read_image
from weakspot.data.annotated_image import read_mask
from weakspot.data.dataset_checks import labels_without_box
from weakspot.data.synthetic import BACKGROUND, CLASS_NAMES, Scene, SceneSettings, scene, write_scenes
from weakspot.data.synthetic.drawing import IMAGES, OUTLINES, background, place
from weakspot.data.synthetic.textures import TEXTURES, texture

SMALL = SceneSettings(size=64)
WITH_PART = SceneSettings(size=64, discriminative_part=True)

SETTINGS = st.builds(
    SceneSettings,
    classes=st.integers(2, len(CLASS_NAMES)),
    size=st.integers(32, 160),
    discriminative_part=st.booleans(),
    distractors=st.integers(0, 8),
    background_share=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 2**70),
)


def same(one, other):
    return one.label == other.label and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("image", "boxes", "mask", "part")
    )


def without_object(index, setting):
    return scene(index, replace(setting, background_share=1.0))


def bounds(mask):
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@settings(max_examples=60)
@given(index=st.integers(0, 2**40), setting=SETTINGS)
def test_scene_is_whole(index, setting):
    made = scene(index, setting)
    shape = (setting.size, setting.size)
    assert (made.image.shape, made.image.dtype) == ((*shape, 3), np.uint8)
    assert (made.mask.shape, made.mask.dtype, made.part.shape, made.part.dtype) == (shape, bool, shape, bool)
    assert made.boxes.dtype == np.float64
    if made.label == BACKGROUND:
        assert (made.boxes.shape, made.mask.any(), made.part.any()) == ((0, 4), False, False)
    else:
        assert made.label == CLASS_NAMES[index % setting.classes]
        assert made.boxes.tolist() == [bounds(made.mask)]
        assert made.part.any() == setting.discriminative_part
        assert not (made.part & ~made.mask).any()


@settings(max_examples=20)
@given(index=st.integers(0, 2**40), setting=SETTINGS)
def test_mask_is_exactly_what_the_object_covers(index, setting):
    setting = replace(setting, background_share=0.0)
    made, empty = scene(index, setting), without_object(index, setting)
    differs = (made.image != empty.image).any(axis=2)
    assert not differs[~made.mask].any()
    assert differs[made.mask].mean() > 0.9


def test_same_call_makes_the_same_scene_whatever_was_made_before():
    first = scene(7, SMALL)
    _ = [scene(index, replace(SMALL, seed=3)) for index in range(5)]
    assert same(scene(7, SMALL), first)
    assert not np.shares_memory(scene(7, SMALL).image, first.image)


def test_other_index_and_other_seed_make_other_scenes():
    made = [scene(3, SMALL), scene(7, SMALL), scene(3, replace(SMALL, seed=1))]
    assert {one.label for one in made} == {"rings"}
    assert len({one.image.tobytes() for one in made}) == len({one.mask.tobytes() for one in made}) == 3


def test_switch_changes_the_objects_filling_only():
    for index in range(10):
        plain, badged = scene(index, SMALL), scene(index, WITH_PART)
        assert np.array_equal(plain.mask, badged.mask)
        assert np.array_equal(plain.image[~plain.mask], badged.image[~plain.mask])


@pytest.mark.parametrize("setting", [SMALL, WITH_PART], ids=["plain", "with part"])
def test_distractors_are_behind_the_object_and_never_in_its_mask(setting):
    for index in range(10):
        alone, crowded = (scene(index, replace(setting, distractors=count)) for count in (0, 8))
        assert np.array_equal(alone.mask, crowded.mask)
        assert np.array_equal(alone.image[alone.mask], crowded.image[alone.mask])
        assert (alone.image != crowded.image).any()


def test_classes_are_balanced():
    labels = [scene(index, replace(SMALL, classes=5)).label for index in range(20)]
    assert labels == [*CLASS_NAMES[:5]] * 4


def test_convention_part_is_5_to_10_percent_of_the_object_and_off_its_centre():
    for index in range(40):
        made = scene(index, replace(WITH_PART, size=128))
        assert 0.045 < made.part.sum() / made.mask.sum() < 0.105
        distance = np.subtract(*(np.mean(np.nonzero(mask), axis=1) for mask in (made.part, made.mask)))
        assert np.hypot(*distance) > 0.2 * np.sqrt(made.mask.sum() / np.pi)


def test_objects_vary_in_size_and_reach_every_side():
    boxes = np.concatenate([scene(index, SMALL).boxes for index in range(200)])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / SMALL.size
    assert 0.2 < sides.min() < 0.3
    assert 0.6 < sides.max() < 0.7
    assert boxes[:, :2].min(axis=0).max() < 5
    assert boxes[:, 2:].max(axis=0).min() > SMALL.size - 5


def test_share_of_scenes_without_object_is_as_asked():
    labels = [scene(index, replace(SMALL, background_share=0.3)).label for index in range(400)]
    assert 0.22 < labels.count(BACKGROUND) / 400 < 0.38
    assert {*labels} == {BACKGROUND, *SMALL.names}


def test_background_scene_may_hold_distractors():
    quiet, crowded = (without_object(0, replace(SMALL, distractors=count)) for count in (0, 4))
    assert (quiet.image != crowded.image).any()


@pytest.mark.parametrize("name", IMAGES)
def test_every_source_image_is_installed(name, monkeypatch):
    monkeypatch.setattr("weakspot.data.synthetic.drawing.IMAGES", (name,))
    assert background(64, np.random.default_rng(0)).std() > 5


@pytest.mark.parametrize("outline", OUTLINES)
def test_outline_fills_its_window_wherever_it_is(outline, monkeypatch):
    monkeypatch.setattr("weakspot.data.synthetic.drawing.OUTLINES", (outline,))
    for seed in range(20):
        placed = place(39.5, 64, np.random.default_rng(seed))
        height, width = placed.mask.shape
        assert max(height, width) == 40
        assert np.allclose(
            bounds(placed.mask), [0, 0, width, height], rtol=0, atol=2
        )  # a tip between pixel centres marks none
        assert 0 <= placed.rows.start < placed.rows.stop <= 64
        assert 0 <= placed.columns.start < placed.columns.stop <= 64


@pytest.mark.parametrize("label", TEXTURES)
def test_texture_uses_the_whole_range_in_single_precision(label):
    along = np.arange(60, dtype=np.float32)
    values = texture(label, along[None], along[:, None], 12, np.random.default_rng(0))
    assert (values.shape, values.dtype) == ((60, 60), np.float32)
    assert 0 <= values.min() < 0.1
    assert 0.9 < values.max() <= 1


def test_stripes_are_straight():
    along = np.arange(12, dtype=np.float32) / 12
    stripes = TEXTURES["stripes"](along[None] + 0 * along[:, None], along[:, None])
    assert (stripes == stripes[0]).all()
    assert stripes[0, [0, 3, 9]].tolist() == [0.5, 1, 0]


def test_checks_alternate():
    middles = np.arange(4, dtype=np.float32) + 0.5
    assert TEXTURES["checks"](middles[None], middles[:, None]).tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]] * 2


def test_every_second_row_of_bricks_is_shifted_by_half():
    rows = TEXTURES["bricks"](np.arange(4, dtype=np.float32)[None], np.array([[0.5], [1.5]], np.float32))
    assert rows.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 1},
        {"classes": len(CLASS_NAMES) + 1},
        {"classes": 2.5},
        {"size": 31},
        {"size": 1025},
        {"distractors": -1},
        {"distractors": 9},
        {"background_share": 1.1},
        {"background_share": float("nan")},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(change):
    with refused("out-of-range", *change, *change.values()):
        SceneSettings(**change)


@pytest.mark.parametrize("index", [-1, 1.5, "3"])
def test_index_that_is_none_is_refused(index):
    with refused("out-of-range", "index", index):
        scene(index)


def test_numbers_may_be_numpys():
    assert same(scene(np.int64(3), replace(SMALL, seed=np.uint8(2))), scene(3, replace(SMALL, seed=2)))


# Writing


def test_written_scenes_are_read_back_as_they_were_made(tmp_path):
    setting = replace(WITH_PART, classes=3)
    dataset = read_dataset(write_scenes(tmp_path / "new" / "set", {"train": 6, "val": 3, "test": 4}, setting))
    assert dataset.layout == "CSV of boxes"
    assert dataset.class_names == tuple(sorted(setting.names))
    assert dataset.splits == {"train": 6, "val": 3, "test": 4}
    assert check_dataset(dataset) == []
    for index, example in enumerate(dataset.samples):
        made, (truth,) = scene(index, setting), example.annotations
        assert (example.image_id, truth.label) == (f"{made.label}/{index:06}", made.label)
        assert np.array_equal(truth.boxes, made.boxes)
        assert np.array_equal(read_mask(truth.masks[0]), made.mask)
        assert np.abs(np.asarray(read_image(example.path), np.int16) - made.image).mean() < 8
        assert example.size == (64, 64)


def test_masks_are_written_with_one_bit(tmp_path):
    write_scenes(tmp_path, {"test": 1}, SMALL)
    (mask,) = (tmp_path / "masks").rglob("*.png")
    with Image.open(mask) as image:
        assert image.mode == "1"


def test_scenes_without_object_are_written_without_box_and_mask(tmp_path):
    setting = replace(SMALL, background_share=0.5)
    dataset = read_dataset(write_scenes(tmp_path, {"test": 10}, setting))
    told = [(truth.label, len(truth.boxes), len(truth.masks)) for one in dataset.samples for truth in one.annotations]
    made = [scene(index, setting) for index in range(10)]
    assert told == [(one.label, len(one.boxes), int(one.mask.any())) for one in made]
    assert 0 < sum(boxes for _, boxes, _ in told) < 10
    assert check_dataset(dataset) == []
    assert len(labels_without_box(dataset)) == sum(not boxes for _, boxes, _ in told)


def test_splits_share_no_scene(tmp_path):
    write_scenes(tmp_path, {"train": 5, "empty": 0, "test": 5}, SMALL)
    rows = list(csv.reader((tmp_path / "splits.csv").read_text().splitlines()))
    assert [split for _, split in rows] == ["split", *["train"] * 5, *["test"] * 5]
    assert len({image_id for image_id, _ in rows}) == 11
    assert len({path.read_bytes() for path in (tmp_path / "images").rglob("*.jpg")}) == 10


def test_no_temporary_file_stays(tmp_path):
    write_scenes(tmp_path, {"test": 2}, SMALL)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    pictures = {f"{kind}/{name}" for kind, suffix in (("images", "jpg"), ("masks", "png"))
                for name in (f"stripes/000000.{suffix}", f"checks/000001.{suffix}")}  # fmt: skip
    assert files == pictures | {"annotations.csv", "splits.csv"}


def test_interrupted_writing_leaves_no_annotations(tmp_path, monkeypatch):
    def interrupted(index, setting):
        if index == 2:
            raise KeyboardInterrupt
        return scene(index, setting)

    monkeypatch.setattr("weakspot.data.synthetic.files.scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path, {"test": 4}, SMALL)
    assert [path.name for path in tmp_path.glob("*")].count("annotations.csv") == 0


@pytest.mark.parametrize(
    ("counts", "value"), [({}, "{}"), ({"train": 0}, "0"), ({"train": -1}, "-1"), ({"train": 1.5}, "1.5")]
)
def test_invalid_counts_are_refused_before_anything_is_written(tmp_path, counts, value):
    with refused("out-of-range", value):
        write_scenes(tmp_path / "new", counts, SMALL)
    assert not (tmp_path / "new").exists()


def test_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with refused("folder-exists", tmp_path):
        write_scenes(tmp_path, {"train": 1}, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with refused("not-writable", "taken"):
        write_scenes(tmp_path / "taken", {"train": 1}, SMALL)


# What can be learned


def texture_statistics(made: Scene, where):
    """Symmetry of the gradients' directions, skewness and kurtosis of the grey levels: none depends on a turn."""
    grey = made.image.mean(axis=2)
    inner = np.logical_and.reduce([np.roll(where, step, axis) for step in (-2, 2) for axis in (0, 1)]) & where
    down, right = np.gradient(grey)
    slopes, directions = np.hypot(down, right)[inner], np.arctan2(down, right)[inner]
    levels = (grey[inner] - grey[inner].mean()) / (grey[inner].std() + 1e-9)
    symmetry = [abs((slopes * np.exp(1j * fold * directions)).sum()) / slopes.sum() for fold in (2, 3, 4, 6)]
    return [*symmetry, abs((levels**3).mean()), (levels**4).mean()]


def mean_colour(made: Scene, where):
    colour = made.image[where].mean(axis=0)
    return colour / colour.sum()


def accuracy(setting, statistics, where, scenes=240):
    """Of a nearest-centroid classifier, learned from the first half of the scenes."""
    made = [scene(index, setting) for index in range(scenes)]
    found = np.array([statistics(one, where(one)) for one in made])
    found = (found - found.mean(axis=0)) / found.std(axis=0)
    labels = np.arange(scenes) % setting.classes
    half = scenes // 2
    centroids = np.array([found[:half][labels[:half] == label].mean(axis=0) for label in range(setting.classes)])
    predicted = ((found[half:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    return (predicted == labels[half:]).mean()


LEARNED = SceneSettings(size=96, seed=3)


@pytest.mark.parametrize(
    ("part", "statistics", "where", "least", "most"),
    [
        pytest.param(False, texture_statistics, lambda one: one.mask, 0.9, 1, id="texture tells the class"),
        pytest.param(False, mean_colour, lambda one: one.mask, 0, 0.38, id="colour does not"),
        pytest.param(False, texture_statistics, lambda one: ~one.mask, 0, 0.38, id="background does not"),
        pytest.param(True, mean_colour, lambda one: one.part, 0.95, 1, id="the part's colour does"),
        pytest.param(True, texture_statistics, lambda one: one.mask & ~one.part, 0.4, 0.8, id="the body, but faintly"),
        pytest.param(True, mean_colour, lambda one: one.mask & ~one.part, 0, 0.38, id="the body's colour does not"),
    ],
)
def test_what_tells_the_class_of_four(part, statistics, where, least, most):
    setting = replace(LEARNED, discriminative_part=part)
    assert least <= accuracy(setting, statistics, where) <= most


def test_place_size_and_area_do_not_tell_the_class():
    assert accuracy(LEARNED, lambda one, mask: [*one.boxes[0], mask.sum()], lambda one: one.mask) <= 0.38
