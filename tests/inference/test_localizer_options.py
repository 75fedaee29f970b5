"""A classifier that is loaded once and read in several ways; a few images in one pass; images as the bytes of files."""

from io import BytesIO

import numpy as np
import pytest
import torch
from nets import DeepHeadNet, PooledNet
from PIL import Image
from refusals import refused
from small_graphs import random_images, run_folder

import weakspot as ws
from weakspot.errors import InputError
from weakspot.inference.quality import PROPAGATED_THRESHOLD


def localizer(model=None, **options):
    torch.manual_seed(0)
    return ws.Localizer(model or PooledNet(), **({"input_size": 16} | options))


def encoded(image, format_="PNG"):
    file = BytesIO()
    Image.fromarray(image).save(file, format_)
    return file.getvalue()


def test_bytes_of_a_file_equal_its_path(tmp_path):
    content = encoded(np.kron(random_images(1)[0], np.ones((8, 8, 1), np.uint8)), "JPEG")  # decoded at a fraction, both
    (tmp_path / "photo.jpg").write_bytes(content)
    one = localizer()
    from_bytes, from_path = one(content), one(tmp_path / "photo.jpg")
    np.testing.assert_array_equal(from_bytes.heatmap, from_path.heatmap)
    assert from_bytes.to_dict() == from_path.to_dict() | {"image": None}
    assert from_bytes.plot().tobytes() == from_path.plot().tobytes()


@pytest.mark.parametrize("content", [b"", b"text"])
def test_invalid_bytes_are_refused(content):
    with pytest.raises(InputError):
        localizer()(content)


def test_a_batch_equals_single_calls_and_returns_errors_in_place():
    one, images = localizer(), random_images(3)
    first, second, third, fourth = one.batch([images[0], b"junk", *images[1:]], classes=[2])
    assert isinstance(second, InputError)
    assert second.__traceback__ is None
    for found, image in zip((first, third, fourth), images, strict=True):
        alone = one(image, classes=[2])
        assert found.class_index == alone.class_index == 2
        np.testing.assert_allclose(found.heatmap, alone.heatmap, atol=1e-5)
    assert one.batch([]) == []
    with refused("unknown-class", 99):
        one.batch(images, classes=[99])


@pytest.mark.parametrize("method", ["layercam", "gradcam++", "scorecam"])
def test_with_options_equals_a_new_localizer(method):
    model, (image,) = PooledNet(), random_images(1)
    one = localizer(model, method="cam", quality="plain", threshold=0.7, boxes="all")
    other, expected = one.with_options(method=method), localizer(model, method=method, quality="plain", boxes="all")
    found, wanted = other(image), expected(image)
    assert (found.method, found.threshold) == (method, wanted.threshold)
    np.testing.assert_allclose(found.heatmap, wanted.heatmap, atol=1e-5)
    np.testing.assert_allclose(found.boxes, wanted.boxes)
    assert (one.method, one.threshold, one(image).method) == ("cam", 0.7, "cam")  # as it was
    assert other.model is one.model


def test_with_options_keeps_unset_options():
    one = localizer(threshold=0.7, boxes="all", min_area=0.2, uncertainty=True)
    same = one.with_options()
    assert (same.method, same.threshold, same.config) == (one.method, one.threshold, one.config)
    assert one.with_options(threshold=0.3).config.min_area == 0.2
    assert one.with_options(boxes="largest").config.min_area == 1.0
    assert one.with_options(boxes="instances", min_area=0.5).config.split
    (image,) = random_images(1)
    assert one.with_options(method="layercam")(image).uncertainty is not None


def test_another_method_uses_the_threshold_of_the_quality(tmp_path):
    one = ws.Localizer(run_folder(tmp_path))  # quality fast, a threshold of its own for cam
    assert one.threshold == 0.35
    assert one.threshold_of("layercam") == one.with_options(method="layercam").threshold == PROPAGATED_THRESHOLD


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"method": "magic"}, "magic"),
        ({"method": "acol"}, "acol"),
        ({"threshold": 0.0}, 0.0),
        ({"threshold": 1.5}, 1.5),
        ({"boxes": "some"}, "some"),
        ({"boxes": "all", "min_area": 2.0}, 2.0),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options, value):
    with pytest.raises(InputError, match=str(value)):
        localizer().with_options(**options)


def test_single_pass_methods_fit_the_classifier():
    closed, deep = localizer(method="layercam"), localizer(DeepHeadNet(), input_size=8)
    assert closed.single_pass_methods[0] == "layercam"
    assert set(closed.single_pass_methods) == {
        *("cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "eigencam", "counterfactual")
    }
    assert set(closed.single_pass_methods) - set(deep.single_pass_methods) == {"cam"}
    assert localizer(method="scorecam").single_pass_methods[0] == "scorecam"  # as its owner has chosen


def test_a_file_offers_the_methods_it_contains(exported_run):
    outcome, in_torch = exported_run
    one = ws.Localizer(outcome.path)
    assert one.single_pass_methods == (one.method, one._pipeline.backend.metadata.reference_method)
    (image,) = random_images(1, (64, 64))  # as the graph takes it: PyTorch and Pillow squash a little differently
    for method in one.single_pass_methods:
        threshold = in_torch.with_options(method=method).threshold
        assert one.with_options(method=method).threshold == threshold
        assert ws.Localizer(outcome.path, method=method).threshold == threshold
        np.testing.assert_allclose(
            one.with_options(method=method)(image, classes=[1]).heatmap,
            in_torch.with_options(method=method)(image, classes=[1]).heatmap,
            atol=2e-2,
        )
    with refused("method-mismatch", "hirescam"):
        one.with_options(method="hirescam")
