from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from squares import NAMES, SCENES, Colours, Scene, localizer, mask, one_thread, path_of, picture, plain_iou, save, write  # noqa: F401
from trees import ORIENTATION

from weakspot.data import read_dataset
from weakspot.errors import InputError
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.external_maps import find_map
from weakspot.evaluation.map_scores import baselines
from weakspot.evaluation.predictions import UNRANKED, image_size, predictions_of_maps, predictions_of_model
from weakspot.evaluation.samples import find_samples
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import resize
from weakspot.ops.evidence import competition_margins

RED = Scene("red/a", (("red", (20, 10, 80, 60)),))
GREEN = Scene("green/b", (("green", (50, 30, 110, 75)),))
BOTH = Scene("mixed/c", (("yellow", (5, 5, 50, 40)), ("blue", (60, 20, 115, 75))))


def samples_of(root, model=None):
    dataset = read_dataset(root)
    return find_samples(dataset, "all", None if model is None else class_indices(dataset, model.class_names))


def predictions(root, model=None, methods=None, fixed=None, **options):
    model = model or localizer()
    return list(predictions_of_model(model, samples_of(root, model), methods or {"cam": "cam"}, fixed or {}, **options))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return write(tmp_path_factory.mktemp("few"), SCENES[:6])


def test_there_is_one_outcome_for_each_class_in_the_order_of_the_cases(tmp_path):
    found = predictions(write(tmp_path, (RED, BOTH, GREEN)), batch_size=2)
    named = [(one.sample.image.image_id, one.sample.annotations[one.target_index].label) for one in found]
    assert named == [("red/a", "red"), ("mixed/c", "yellow"), ("mixed/c", "blue"), ("green/b", "green")]
    assert [one.target_index for one in found] == [0, 0, 1, 0]
    assert [NAMES[one.predicted] for one in found] == ["red", *[NAMES[found[1].predicted]] * 2, "green"]


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (3, 2), (5, 4), (100, 0)])
def test_batches_and_threads_change_nothing(batch_size, workers, few):
    for one, other in zip(predictions(few), predictions(few, batch_size=batch_size, workers=workers), strict=True):
        assert one.sample.image.image_id == other.sample.image.image_id
        assert (one.rank, one.predicted, one.size) == (other.rank, other.predicted, other.size)
        np.testing.assert_allclose(one.regions["cam"].score_map, other.regions["cam"].score_map, atol=1e-6)


def test_every_class_of_an_image_has_the_map_of_its_own(tmp_path):
    found = predictions(write(tmp_path, (RED, BOTH)))
    at = int(np.flatnonzero(NATIVE_THRESHOLDS == 0.2)[0])
    for one in found:
        assert one.scores["cam"].native[at] > 0.85, one.sample.annotations[one.target_index].label


def test_ranks_are_places_among_the_logits(data):
    model = localizer()
    for one in predictions(data, model):
        pixels = np.asarray(
            Image.open(one.sample.image.path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
        )
        logits = model.model(torch.from_numpy(pixels / 255).float().permute(2, 0, 1)[None])[0]
        label = one.sample.annotations[0].label
        assert one.rank == int((logits > logits[NAMES.index(label)]).sum())
        assert one.predicted == int(logits.argmax())


def test_several_methods_are_scored_from_one_forward_pass(few):
    model, passes = localizer(), []
    handle = model.model.register_forward_hook(lambda module, images, output: passes.append(len(images[0])))
    methods = {"first": "cam", "second": "eigencam", "third": "gradcam"}
    together = predictions(few, model, methods, baselines(), batch_size=4)
    handle.remove()
    assert passes == [4, 2]
    assert list(together[0].scores) == ["first", "second", "third", "centred Gaussian", "full-image box"]
    assert list(together[0].regions) == ["first", "second", "third"]
    for name, method in methods.items():
        for one, alone in zip(together, predictions(few, model, {name: method}, batch_size=4), strict=True):
            assert np.array_equal(one.scores[name].native, alone.scores[name].native)
            assert np.array_equal(one.scores[name].every, alone.scores[name].every)


def test_classes_of_an_image_share_it(tmp_path, monkeypatch):
    model = localizer()
    class_maps_of, evidence = model.class_maps_of, []

    def light_everything(*arguments):
        (output,) = class_maps_of(*arguments)
        maps = np.ones_like(output.maps)
        maps[..., 0, 0] = 0  # else a map is constant
        evidence.append(output.evidence[0])
        return [replace(output, maps=maps)]

    monkeypatch.setattr(model, "class_maps_of", light_everything)
    found = predictions(write(tmp_path, (BOTH,)), model)
    assert len(found) == 2
    for one, margin in zip(found, competition_margins(evidence[0]), strict=True):
        regions = one.regions["cam"]
        claimed = resize(margin, height=224, width=224, kernel="bilinear") >= 0
        assert not regions.heatmap[~claimed].any()
        assert regions.heatmap[claimed].max() == 1


def test_what_cannot_be_read_is_missed_with_its_reason_and_the_others_are_found(tmp_path):
    root = write(tmp_path, (RED, BOTH, GREEN))
    path_of(root, BOTH).write_bytes(b"no image")
    found = predictions(root, fixed=baselines(), batch_size=2)
    assert [one.error is None for one in found] == [True, False, False, True]
    lost = found[1]
    assert "mixed/c" in lost.error.problem
    assert lost.rank == UNRANKED
    assert (lost.size, lost.predicted, lost.regions) == (None, None, {})
    assert list(lost.scores) == ["cam", "centred Gaussian", "full-image box"]
    assert all(not scores.native.any() for scores in lost.scores.values())
    assert found[3].scores["cam"].native.max() > 0.85


def test_a_batch_of_which_nothing_can_be_read_is_no_forward_pass(tmp_path):
    root = write(tmp_path, (RED, GREEN, BOTH))
    for scene in (RED, GREEN):
        path_of(root, scene).write_bytes(b"")
    assert [one.error is None for one in predictions(root, batch_size=1)] == [False, False, True, True]


class Fickle(Colours):
    """Gives NaN for images with red in them."""

    def forward(self, images):
        logits = super().forward(images)
        return torch.where(images[:, 0].amax(dim=(1, 2))[:, None] > 0.5, logits * float("nan"), logits)


def test_an_image_for_which_the_model_gives_nan_is_missed_as_localizing_refuses_it(tmp_path):
    whole = Scene("red/whole", (("red", (0, 0, 120, 80)),))
    root, model = write(tmp_path, (whole, GREEN)), localizer(Fickle(), "gradcam")
    found = predictions(root, model, {"gradcam": "gradcam"})
    lost = next(one for one in found if one.sample.image.image_id == "red/whole")
    assert [one.error is None for one in found] == [one is not lost for one in found]
    assert not lost.scores["gradcam"].native.any()
    assert lost.error.code == "output-not-finite"


def turned(path, scene):
    """Write a scene with an EXIF orientation that turns it by a quarter."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(scene)).save(path, exif=exif)


def test_convention_boxes_are_in_stored_pixels_whatever_exif_says(tmp_path):
    write(tmp_path, (RED,), suffix=".jpg")
    turned(path_of(tmp_path, RED, ".jpg"), RED)
    (found,) = predictions(tmp_path)
    assert found.size == (80, 120)
    assert found.scores["cam"].native[199] > 0.85


def test_an_upright_image_is_used_where_the_annotated_size_is_the_upright_one(tmp_path):
    write(tmp_path, (RED,), suffix=".jpg")
    turned(path_of(tmp_path, RED, ".jpg"), RED)
    x1, y1, x2, y2 = RED.objects[0][1]
    (tmp_path / "annotations.csv").write_text(
        f"image_id,xmin,ymin,xmax,ymax,class,width,height\nred/a,{80 - y2},{x1},{80 - y1},{x2},red,80,120\n"
    )
    (found,) = predictions(tmp_path)
    assert found.size == (120, 80)
    assert found.scores["cam"].native[199] > 0.85


def test_maps_of_files_are_scored_like_the_classifiers(tmp_path, data):
    model = localizer()
    of_model = predictions(data, model)
    for one in of_model:
        file = tmp_path / f"{one.sample.image.image_id}.npy"
        file.parent.mkdir(exist_ok=True)
        np.save(file, one.regions["cam"].score_map)
    of_files = list(predictions_of_maps(tmp_path, samples_of(data), "cam", {}))
    for one, other in zip(of_model, of_files, strict=True):
        assert find_map(tmp_path, one.sample.image.image_id) is not None
        assert np.array_equal(one.scores["cam"].native, other.scores["cam"].native)
        assert np.array_equal(one.scores["cam"].largest, other.scores["cam"].largest)
        assert (other.rank, other.predicted, other.error) == (None, None, None)


def test_masks_are_read_with_the_images(tmp_path):
    scene = RED._replace(masked=True)
    (found,) = predictions(write(tmp_path, (scene,)))
    assert found.target.mask.sum() == pytest.approx(mask(scene).mean() * 224**2, rel=0.05)
    assert found.scores["cam"].mask.max() > 0.9


def test_a_mask_that_cannot_be_read_is_an_error(tmp_path):
    root = write(tmp_path, (RED._replace(masked=True), GREEN))
    (root / "masks/red/a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"masks/red/a\.png"):
        predictions(root)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_size_is_that_of_the_file_unless_it_is_annotated(suffix, tmp_path):
    (sample,) = samples_of(write(tmp_path, (RED,), suffix=suffix))
    assert image_size(sample) == (80, 120)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.full((2, 2, 3), 200, np.uint8), id="2 x 2"),
        pytest.param(np.full((3, 4000, 3), 200, np.uint8), id="very wide"),
        pytest.param(np.full((60, 50), 200, np.uint8), id="grey"),
        pytest.param(np.full((60, 50, 4), 200, np.uint8), id="with transparency"),
        pytest.param(np.zeros((60, 50, 3), np.uint8), id="black"),
    ],
)
def test_odd_pictures_are_scored(pixels, tmp_path):
    height, width = pixels.shape[:2]
    save(tmp_path / "images/white/odd.png", pixels)
    (tmp_path / "annotations.csv").write_text(f"image_id,xmin,ymin,xmax,ymax\nwhite/odd,0,0,{width / 2},{height}\n")
    (found,) = predictions(tmp_path)
    assert found.size == (height, width)
    assert found.error is None
    # Nothing is to be seen anywhere: the box is the whole image, and half of it is right.
    assert found.scores["cam"].native[199] == pytest.approx(0.5)
    assert plain_iou((0, 0, width / 2, height), (0, 0, width, height)) == 0.5


def test_scenes_are_told_apart(data):
    """The classifier is wrong where it shall be."""
    ranks = {one.sample.image.image_id: one.rank for one in predictions(data)}
    assert ranks == {scene.name: 0 for scene in SCENES} | {"blue/distracted": 4, "red/crowded": 6}
