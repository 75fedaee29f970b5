import pytest
import torch
from nets import PooledNet
from refusals import refused

import weakspot as ws
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.early_checks import check_model
from weakspot.inference.tile_options import choose_tiling
from weakspot.ops.preprocessing import Preprocessing


def localizer(**options):
    torch.manual_seed(0)
    return ws.Localizer(PooledNet(), **{"input_size": 32, "tiles": "auto", **options})


@pytest.mark.parametrize(
    ("tiles", "size", "tiled"),
    [
        ("auto", (64, 64), False),
        ("auto", (65, 64), True),
        ("auto", (10, 65), True),
        (40, (40, 40), False),
        (40, (40, 41), True),
        (None, (4000, 3000), False),
    ],
)
def test_larger_images_are_tiled(tiles, size, tiled):
    assert (choose_tiling(tiles, *size, Preprocessing(32, 32)) is not None) == tiled


def test_tiles_have_the_input_size_or_that_of_the_user_and_fit_into_the_image():
    auto, own, narrow = (
        choose_tiling(*arguments)
        for arguments in (
            ("auto", 500, 400, Preprocessing(64, 32)),
            (100, 500, 400, Preprocessing(64, 32)),
            (100, 500, 20, Preprocessing(64, 32)),
        )
    )
    assert (auto.tile_height, auto.tile_width) == (64, 32)
    assert (own.tile_height, own.tile_width) == (100, 100)
    assert (narrow.tile_height, narrow.tile_width) == (100, 20)


@pytest.mark.parametrize("tiles", [0, 31, -5, True, 2.5, "all"])
def test_impossible_sizes_are_refused(tiles):
    with refused("out-of-range", tiles):
        localizer(tiles=tiles)


def test_a_command_refuses_them_before_torch_is_imported():
    with refused("out-of-range", 7):
        check_model("tf_efficientnet_lite0", LocalizeOptions(tiles=7))
    with refused("options-conflict", "grabcut"):
        check_model("tf_efficientnet_lite0", LocalizeOptions(tiles="auto", refine="grabcut"))


@pytest.mark.parametrize(
    ("options", "code", "value"),
    [
        ({"method": "eigencam"}, "method-mismatch", "eigencam"),
        ({"method": "scorecam"}, "method-mismatch", "scorecam"),
        ({"method": "gradcam", "layer": ["features.0", "features.2"]}, "options-conflict", "features.0"),
        ({"refine": "superpixels"}, "options-conflict", "superpixels"),
        ({"quality": "balanced"}, "options-conflict", "balanced"),
    ],
)
def test_what_cannot_be_combined_with_tiles_is_refused(options, code, value):
    with refused(code, value):
        localizer(**options)


def test_another_method_is_checked_as_well_and_only_those_that_fit_are_offered():
    one = localizer(method="cam")
    assert one.with_options(method="layercam").method == "layercam"
    with refused("method-mismatch", "eigencam"):
        one.with_options(method="eigencam")
    assert "eigencam" not in one.single_pass_methods
    assert "eigencam" in localizer(method="cam", tiles=None).single_pass_methods
