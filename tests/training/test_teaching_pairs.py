import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.rle import encode_rle
from weakspot.inference.localizer import Localizer
from weakspot.models.model_info import ModelInfo
from weakspot.training.teaching_pairs import Drawn, draw_pairs, read_pairs, teaches

INFO = ModelInfo(("blue", "red", "none"), background_index=2)


def named(name, *objects, **known):
    return Sample(name, known.pop("path", name), objects=objects, **known)


def item(label, box=None, **known):
    return ObjectAnnotation(label, box, **known)


BOX = (8.0, 16.0, 40.0, 48.0)
BOXED = [named(f"b{i}", item("red", BOX)) for i in range(3)]


def drawn(*samples):
    return {(pair.sample.image_id, pair.class_index): pair for pair in draw_pairs([*BOXED, *samples], INFO, 0)}


def test_each_class_of_which_more_than_the_label_is_known_is_a_pair():
    both = named("both", item("red", BOX), item("blue", BOX), item("red", BOX))
    label, other = named("label", item("red")), named("other", item("green", BOX))
    found = drawn(both, label, other)
    assert set(found) == {("b0", 1), ("b1", 1), ("b2", 1), ("both", 0), ("both", 1)}
    assert len(found["both", 1].objects) == 2
    assert all(pair.is_complete for pair in found.values())


def test_boxes_of_classes_that_the_run_lacks_are_counted_and_teach_nothing(caplog):
    other, both = named("other", item("green", BOX)), named("both", item("gren", BOX), item("red", BOX))
    drawn(other, both, named("label", item("grey")), named("none", item("none", BOX)))
    assert caplog.messages == ["2 boxes, masks or points (green, gren) are of no class of the run and ignored."]
    assert [teaches(sample, INFO) for sample in (other, both)] == [False, True]


def test_a_class_is_incomplete_if_an_object_has_no_box_or_a_point_only():
    some, point = named("some", item("red", BOX), item("red")), named("point", item("blue", point=(3.0, 4.0)))
    found = drawn(some, point)
    assert not found["some", 1].is_complete
    assert not found["point", 0].is_complete


def test_images_without_an_object_have_any_class_and_are_at_most_as_many_as_others():
    empty = [named(f"e{i}", *objects) for i, objects in enumerate([(), (item("none"),), (), ()])]
    predicted = named("p", predicted=True)
    found = drawn(*empty, predicted)
    without = [key for key, pair in found.items() if not pair.objects]
    assert len(without) == 3
    assert {index for _, index in without} <= {0, 1}
    assert all(name.startswith("e") for name, _ in without)


def test_two_images_must_have_all_boxes_of_a_class():
    with refused("missing-annotations", 1):
        draw_pairs([BOXED[0], named("some", item("red", BOX), item("red")), named("e")], INFO, 0)


@pytest.fixture(scope="module")
def localizer(discs_run):
    return Localizer(discs_run, backend="torch")


@pytest.fixture
def read(localizer, tmp_path):
    """Read the pair of an image of 64 x 64 pixels with some objects, and two others with a box."""
    files = [tmp_path / f"{name}.png" for name in ("x", "y0", "y1")]
    for file in files:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file)
    boxed = [Drawn(named(file.stem, path=file), 1, (item("red", BOX),)) for file in files[1:]]

    def read_one(*objects, **known):
        info = ModelInfo(localizer.class_names)
        samples = [named("x", *objects, path=files[0], **known), *BOXED]
        (pair,) = [pair for pair in draw_pairs(samples, info, 0) if pair.sample.image_id == "x"]
        return read_pairs(localizer, [pair, *boxed])

    return read_one


def test_boxes_are_fractions_of_the_image(read):
    pairs = read(item("red", BOX))
    target = pairs.targets[0]
    assert target.boxes.tolist() == [[0.125, 0.25, 0.625, 0.75]]
    assert pairs.boxes[0].tolist() == [[0.125, 0.25, 0.625, 0.75]]
    assert target.is_complete
    assert (pairs.maps.shape[1], len(pairs.features), pairs.count_boxes()) == (3, 3, 3)


def test_a_mask_teaches_its_positions_and_its_box_chooses_the_threshold(read):
    mask = np.zeros((32, 32), bool)  # of another size than the image
    mask[8:16, 4:20] = True
    pairs = read(item("red", mask=encode_rle(mask)))
    target = pairs.targets[0]
    assert pairs.boxes[0].tolist() == [[0.125, 0.25, 0.625, 0.5]]
    assert target.mask.mean().item() == pytest.approx(mask.mean(), abs=1e-6)
    assert target.mask.shape == pairs.features.shape[-2:]
    assert not len(target.boxes)


def test_mask_files_are_read(read, tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    pairs = read(item("red", BOX, mask_files=(tmp_path / "mask.png",)))
    assert pairs.targets[0].mask[:, -1].min() == 1
    assert pairs.boxes[0].tolist() == [[0.125, 0.25, 0.625, 0.75]]  # the box that a person has drawn


def test_a_box_teaches_if_its_mask_file_does_not_exist(read, tmp_path, caplog):
    pairs = read(item("red", BOX, mask_files=(tmp_path / "none.png",)))
    assert pairs.targets[0].boxes.tolist() == [[0.125, 0.25, 0.625, 0.75]]
    assert len(pairs.with_boxes) == 3
    assert caplog.messages == [f"1 mask does not exist, {tmp_path / 'none.png'}: its boxes are used."]


def test_boxes_of_some_objects_and_points_teach_but_choose_no_threshold(read):
    pairs = read(item("red", BOX), item("red", point=(32.0, 16.0)), item("red"))
    target = pairs.targets[0]
    assert target.boxes.shape == (1, 4)
    assert target.points.tolist() == [[0.5, 0.25]]
    assert not target.is_complete
    assert pairs.with_boxes.tolist() == [1, 2]


def test_six_boxes_that_no_review_offered_for_their_uncertainty_choose_the_thresholds(localizer, tmp_path):
    file = tmp_path / "image.png"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file)
    offered = [True, *[False] * 6]
    paths = [shutil.copy(file, tmp_path / f"{i}.png") for i in range(7)]
    samples = [named(f"b{i}", item("red", BOX), path=Path(paths[i]), by_uncertainty=offered[i]) for i in range(7)]
    drawn = [Drawn(sample, 1, sample.objects) for sample in samples]
    pairs = read_pairs(localizer, drawn)
    assert (pairs.with_boxes.tolist(), pairs.scored.tolist()) == (list(range(7)), list(range(1, 7)))
    assert read_pairs(localizer, drawn[:6]).scored.tolist() == list(range(6))  # only five of them are alike


def test_boxes_that_refer_to_a_resized_copy_are_fractions_of_it(read):
    pairs = read(item("red", (16.0, 32.0, 80.0, 96.0)), size=(128, 128))
    assert pairs.boxes[0].tolist() == [[0.125, 0.25, 0.625, 0.75]]


@pytest.mark.parametrize(
    ("objects", "known"),
    [
        pytest.param([item("red", BOX)], {"size": (64, 128)}, id="another image"),
        pytest.param([item("red", (200.0, 200.0, 240.0, 240.0))], {}, id="outside"),
        pytest.param([item("red", (40.0, 16.0, 8.0, 48.0))], {}, id="swapped sides"),
        pytest.param([item("red", mask=encode_rle(np.ones((n, n), bool))) for n in (8, 9)], {}, id="masks"),
    ],
)
def test_what_cannot_be_the_objects_of_the_image_teaches_nothing_and_that_is_said(read, objects, known, caplog):
    pairs = read(*objects, **known)
    assert len(pairs.boxes) == 2
    assert len(caplog.messages) == 1


def test_boxes_of_two_classes_in_one_image_are_too_few(localizer, tmp_path):
    file = tmp_path / "image.png"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file)
    sample = named("a", item("red", BOX), item("blue", BOX), path=file)
    with refused("missing-annotations", 2):
        read_pairs(localizer, [Drawn(sample, i, (one,)) for i, one in enumerate(sample.objects)])


def test_empty_masks_teach_but_choose_no_threshold(read):
    pairs = read(item("red", mask=encode_rle(np.zeros((64, 64), bool))))
    assert pairs.with_boxes.tolist() == [1, 2]
    assert pairs.targets[0].mask.sum() == 0


def test_images_that_cannot_be_read_are_left_out_with_a_warning(localizer, tmp_path, caplog):
    samples = [named(f"b{i}", item("red", BOX), path=tmp_path / f"{i}.png") for i in range(3)]
    for sample in samples[1:]:
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(sample.path)
    samples[0].path.write_bytes(b"no image")
    drawn = [Drawn(sample, 1, sample.objects) for sample in samples]
    assert read_pairs(localizer, drawn).images.tolist() == [0, 1]
    assert str(samples[0].path) in caplog.text
    with refused("missing-annotations"):
        read_pairs(localizer, drawn[:2])


def test_pairs_that_need_too_much_memory_are_left_out(localizer, monkeypatch, tmp_path):
    samples = [named(f"b{i}", item("red", BOX), path=tmp_path / f"{i}.png") for i in range(20)]
    for sample in samples:
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(sample.path)
    pairs = draw_pairs(samples, ModelInfo(localizer.class_names), 0)
    monkeypatch.setattr("weakspot.training.teaching_pairs._MAX_BYTES", 1)
    assert len(read_pairs(localizer, pairs).boxes) == 8
    assert torch.isfinite(read_pairs(localizer, pairs[:2]).features).all()


def test_a_thousand_points_and_empty_images_leave_room_for_those_that_choose_thresholds():
    points = [named(f"p{i}", item("blue", point=(3.0, 4.0))) for i in range(1000)]
    pairs = draw_pairs([*points, *BOXED, *(named(f"e{i}") for i in range(300))], INFO, 0)
    assert len(pairs) == 600
    names = [pair.sample.image_id for pair in pairs]
    assert {"b0", "b1", "b2"} <= set(names)
    assert sum(name.startswith("e") for name in names) == 200


def test_the_background_label_is_empty_also_with_several_labels_per_image():
    info = ModelInfo(("blue", "red"), multi_label=True)
    pairs = draw_pairs([*BOXED, named("e", item("Background")), named("o", item("green"))], info, 0)
    assert sorted(pair.sample.image_id for pair in pairs) == ["b0", "b1", "b2", "e"]


def test_the_draw_is_a_function_of_the_seed():
    samples = [replace(one, image_id=f"{one.image_id}{i}") for i in range(5) for one in BOXED]
    names = [[pair.sample.image_id for pair in draw_pairs(samples, INFO, seed)] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
