import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

import weakspot as ws
from weakspot.errors import InputError, ModelError
from weakspot.inference import tiles
from weakspot.inference.backends.base import ClassThresholds
from weakspot.inference.localization import NO_OBJECT
from weakspot.inference.tiles import above_floor, heatmap_size, in_unit
from weakspot.ops import normalize, resize
from weakspot.ops.preprocessing import Preprocessing
from weakspot.ops.presence import Presence
from weakspot.ops.tiling import tile_image

NAMES = ("red", "blue", "nothing")
RED, BLUE = (200, 304), (40, 100)  # left and top of squares of 8 pixels


class Spotter(torch.nn.Module):
    """Sees red and blue, each position for itself: a map of tiles is that of one pass over the whole image."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 4, stride=4, bias=False)
        self.fc = torch.nn.Linear(3, 3)
        with torch.no_grad():
            colors = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [0, 1, 0]])
            self.conv.weight.copy_(colors[..., None, None].expand(3, 3, 4, 4))
            self.fc.weight.copy_(torch.eye(3))
            self.fc.bias.copy_(torch.tensor([0.0, 0.0, 0.05]))

    def forward(self, batch):
        return self.fc(torch.relu(self.conv(batch)).mean(dim=(2, 3)))


def spotter(**options):
    defaults = {"input_size": 32, "method": "cam", "class_names": NAMES, "threshold": 0.5, "quality": "plain"}
    return ws.Localizer(Spotter(), mean=(0, 0, 0), std=(1, 1, 1), **{**defaults, "tiles": "auto", **options})


def with_background(localizer, **fields):
    info = tiles.replace(localizer.config.info, background_index=2, **fields)
    localizer._pipeline.config = tiles.replace(localizer.config, info=info)
    return localizer


def picture(height=400, width=300, *, blue=True):
    image = np.zeros((height, width, 3), np.uint8)
    image[RED[1] : RED[1] + 8, RED[0] : RED[0] + 8, 0] = 255
    if blue:
        image[BLUE[1] : BLUE[1] + 8, BLUE[0] : BLUE[0] + 8, 2] = 200
    return image


def peak(found):
    """Center of the heatmap's highest pixels, in pixels of the image."""
    rows, columns = np.nonzero(found.heatmap == found.heatmap.max())
    height, width = found.heatmap.shape
    return (columns.mean() + 0.5) * found.width / width, (rows.mean() + 0.5) * found.height / height


def test_a_small_object_is_found_where_it_is():
    found = spotter()(picture(), classes=["red"])
    np.testing.assert_allclose(peak(found), (204, 308), atol=2)
    np.testing.assert_allclose(found.box, [200, 304, 208, 312], atol=3)
    assert found.heatmap.shape == (200, 150)
    assert found.mask.shape == (400, 300)


def test_all_tiles_have_the_map_of_the_same_class_and_each_class_its_own():
    red, blue = spotter()(picture(), top_k=2)
    assert (red.label, blue.label) == ("red", "blue")
    np.testing.assert_allclose(peak(blue), (44, 104), atol=2)


def test_classes_that_are_asked_for_together_share_the_image():
    blue, red = spotter()(picture(), classes=["blue", "red"])
    assert (blue.label, red.label) == ("blue", "red")
    np.testing.assert_allclose(peak(blue), (44, 104), atol=2)
    np.testing.assert_allclose(peak(red), (204, 308), atol=2)


def test_tiles_equal_one_pass_over_the_whole_image():
    cells = np.random.default_rng(0).random((20, 32)) * (np.random.default_rng(1).random((20, 32)) < 0.3)
    image = np.zeros((80, 128, 3), np.uint8)  # tiles start at multiples of a cell
    image[..., 0] = np.kron(255 * cells, np.ones((4, 4)))  # each position sees one cell
    tiled = spotter()(image, classes=["red"]).heatmap
    whole = spotter(tiles=None, input_size=(80, 128))(image, classes=["red"]).evidence
    expected = normalize(np.maximum(resize(whole, height=40, width=64), whole.min()))
    differences = np.abs(tiled - expected)  # where the kernel of resizing is cut off by a tile's border
    assert differences.mean() < 0.01
    assert differences.max() < 0.1


def test_an_image_that_is_not_larger_than_two_tiles_is_the_same_as_without():
    image = picture(blue=False)[300:364, 180:244]
    np.testing.assert_array_equal(spotter()(image).heatmap, spotter(tiles=None)(image).heatmap)


@pytest.mark.parametrize("size", [(65, 64), (64, 65), (40, 200), (2, 100)])
def test_images_that_are_just_larger_or_narrow(size):
    image = np.zeros((*size, 3), np.uint8)
    image[-2:, -8:, 0] = 255
    found = spotter(threshold=0.9)(image)
    assert found.label == "red"
    assert found.box[2] == size[1]


def test_the_maps_of_all_classes_in_one_pass_equal_those_of_a_second_pass(monkeypatch):
    found = spotter()(picture(), top_k=2)
    monkeypatch.setattr(tiles, "_MAX_MAPS", 0)
    again = spotter()(picture(), top_k=2)
    for one, other in zip(found, again, strict=True):
        assert one.label == other.label
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-6)


def test_one_pass_suffices_for_few_classes(monkeypatch):
    counts = []
    one = spotter()
    forward = one.model.conv.forward
    monkeypatch.setattr(one.model.conv, "forward", lambda batch: counts.append(len(batch)) or forward(batch))
    one(picture())
    assert sum(counts) == len(tile_image(400, 300, 32, 32).corners)


def test_without_an_object_in_any_tile_there_is_no_box():
    one = with_background(spotter())
    nothing = one(np.zeros((200, 200, 3), np.uint8))
    assert (nothing.label, len(nothing.boxes), nothing.notes) == ("nothing", 0, (NO_OBJECT,))
    assert nothing.heatmap.shape == (100, 100)
    assert one(picture()).label == "red"


@pytest.mark.parametrize(("peak", "label"), [(8.0, "red"), (24.0, "nothing")])
def test_the_peaks_of_tiles_say_whether_an_image_holds_an_object(peak, label):
    """The peak of red is 16: it must exceed the one of which the odds are even."""
    one = with_background(spotter(), method="cam", presence=Presence(0.0, 1.0, -peak, 0.6))
    found = one(picture())
    assert (found.label, len(found.boxes)) == (label, int(label == "red"))
    assert found.score > 0.6
    assert one(np.zeros((200, 200, 3), np.uint8)).label == "nothing"
    assert one(picture(), classes=["blue"]).label == "blue"
    assert one(picture(), top_k=3).label == label


@pytest.mark.parametrize(("threshold", "label"), [(0.5, "red"), (0.95, "nothing")])
def test_an_object_that_is_not_probable_enough_in_any_tile_is_none(threshold, label):
    """The peak of red is 16: it has a probability of 0.88."""
    one = with_background(spotter(), method="cam", presence=Presence(0.0, 1.0, -14.0, threshold))
    found = one(picture(blue=False))
    assert (found.label, len(found.boxes)) == (label, int(label == "red"))


def test_min_area_is_a_fraction_of_a_tile():
    found = spotter(boxes="all", min_area=0.04)(picture(), classes=["red"])
    image = picture()
    image[20:28, 240:248, 0] = 250
    both = spotter(boxes="all", min_area=0.04)(image, classes=["red"])
    assert (len(found.boxes), len(both.boxes)) == (1, 2)
    assert len(spotter(boxes="all", min_area=0.5)(image, classes=["red"]).boxes) == 1
    np.testing.assert_array_equal(both.with_threshold(0.5).boxes, both.boxes)


@pytest.mark.parametrize("quality", ["plain", "fast"])
def test_a_tile_without_an_object_does_not_light_up(quality):
    noise = np.random.default_rng(0).integers(0, 30, (300, 300, 3), np.uint8)
    noise[200:208, 104:112] = (255, 0, 0)
    found = spotter(quality=quality)(noise, classes=["red"])
    np.testing.assert_allclose(peak(found), (108, 204), atol=4)
    assert np.median(found.heatmap) < 0.5


@pytest.mark.parametrize("boxes", ["best", "largest", "all", "instances"])
def test_all_choices_of_boxes_and_the_uncertainty(boxes):
    found = spotter(boxes=boxes, uncertainty=True)(picture())
    assert len(found.boxes) >= 1
    assert 0 <= found.uncertainty <= 1
    assert found.plot().size == (300, 400)


def test_a_stream_of_large_and_small_images_is_in_order(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "large.png")
    (tmp_path / "damaged.png").write_bytes((tmp_path / "large.png").read_bytes()[:-200])
    images = [picture(), picture()[290:320, 190:220], tmp_path / "large.png", tmp_path / "damaged.png"]
    failed = []
    found = list(spotter().stream(images, batch_size=3, on_error=lambda image, _: failed.append(image)))
    assert [item.heatmap.shape for item in found] == [(200, 150), (32, 32), (200, 150)]
    np.testing.assert_array_equal(found[0].heatmap, found[2].heatmap)
    assert failed == [tmp_path / "damaged.png"]


def test_a_file_that_vanishes_between_both_readings_fails_alone(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "large.png")
    one = spotter()
    decoded = one.decode(tmp_path / "large.png")
    (tmp_path / "large.png").unlink()
    gone, found = one.batch([decoded, picture()])
    assert isinstance(gone, InputError)
    assert gone.code == "image-not-found"
    assert found.label == "red"


def test_a_turned_image_is_localized_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(np.rot90(picture())).save(tmp_path / "turned.png", exif=exif)
    found, expected = spotter()(tmp_path / "turned.png"), spotter()(picture())
    assert (found.width, found.height) == (300, 400)
    np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_tiles_as_wide_as_the_image_give_no_warning_of_arrays_that_cannot_be_written_to(tmp_path):
    Image.fromarray(picture(400, 300)[:, 180:220]).save(tmp_path / "strip.png")
    torch.set_warn_always(True)  # else once in a process
    try:
        found = spotter(tiles=40)(tmp_path / "strip.png")
    finally:
        torch.set_warn_always(False)
    np.testing.assert_allclose(peak(found), (24, 308), atol=4)


def test_too_many_pixels_are_refused_before_decoding():
    with refused("image-too-large", "119,999"):
        spotter(max_pixels=119_999)(picture())


def test_a_model_of_gray_images():
    class Gray(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 4, stride=4)
            self.fc = torch.nn.Linear(2, 2)

        def forward(self, batch):
            return self.fc(torch.relu(self.conv(batch)).mean(dim=(2, 3)))

    torch.manual_seed(0)
    found = ws.Localizer(Gray(), method="cam", input_size=32, mean=(0.5,), std=(0.5,), tiles=64)(picture())
    assert found.heatmap.shape[0] / found.heatmap.shape[1] == pytest.approx(400 / 300, abs=0.01)


def test_a_multi_label_model_has_all_classes_that_any_tile_has():
    found = spotter(multi_label=True)(picture())
    assert [item.label for item in found if len(item.boxes)][:2] == ["red", "blue"]


def test_logits_that_are_not_finite_fail():
    one = spotter()
    with torch.no_grad():
        one.model.fc.bias[0] = torch.nan
    with refused("output-not-finite", kind=ModelError):
        one(picture())


def test_class_thresholds_apply_to_the_whole_image_and_not_to_each_tile():
    one, thresholds = spotter(), ClassThresholds("cam", (0.25, 0.5, 0.5), 0.5)
    plain = one(picture(), classes=["red"])
    one._pipeline.backend = tiles.replace(one._pipeline.backend, class_thresholds=thresholds)
    found = one(picture(), classes=["red"])
    np.testing.assert_allclose(found.boxes, plain.with_threshold(0.25).boxes, atol=2)
    np.testing.assert_allclose(peak(found), peak(plain), atol=2)


def test_maps_are_brought_to_the_range_of_their_evidence_after_calibration_is_undone():
    own = np.array([[[-1.0, 0.0, 3.0]], [[-2.0, -1.5, -1.0]]])
    scaled = (own - own.min(axis=2, keepdims=True)) / np.ptp(own, axis=2, keepdims=True)
    calibrated = np.where(scaled < 0.3, scaled * 0.6 / 0.3, 1 - (1 - scaled) * 0.4 / 0.7)
    np.testing.assert_allclose(in_unit(calibrated, own, (0.3, 0.6)), own, atol=1e-6)


def test_a_constant_map_of_a_tile_has_no_evidence_above_its_minimum():
    assert in_unit(np.full((1, 2, 2), 7.0), np.array([[[-1.0, 4.0]]])).tolist() == [[[-1.0, -1.0]] * 2]


def test_the_floor_is_below_everything_that_counts():
    assert above_floor(np.array([[-4.0, 1.0, 3.0]]), -1.0).tolist() == [[-1, 1, 3]]
    calibrated = above_floor(np.array([[-4.0, 1.0, 3.0]]), -1.0, (0.5, 0.2))
    np.testing.assert_allclose(calibrated, [[0, 0.2, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("side", "tile", "classes", "expected"),
    [
        pytest.param(1000, 100, 1, 500, id="half"),
        pytest.param(1000, 200, 1, 250, id="of the input"),
        pytest.param(1000, 50, 1, 500, id="never finer"),
        pytest.param(9000, 100, 1, 1448, id="two megapixels"),
        pytest.param(9000, 100, 16, 1024, id="sixteen for all classes"),
    ],
)
def test_a_heatmap_has_half_the_resolution_of_the_input_within_bounds(side, tile, classes, expected):
    found = heatmap_size(tile_image(side, side, tile, tile), Preprocessing(100, 100), classes)
    assert found == (expected, expected)
