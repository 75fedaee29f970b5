import numpy as np
import pytest
import skimage.data
import torch
from pictures import picture
from PIL import Image
from refusals import refused

import weakspot as ws
from weakspot.models import channels_last, forward_with_hooks, normalize_batch, resize_image, split_model
from weakspot.models.affinity import feature_affinity

MODEL = {"weights": None, "method": "gradcam", "device": "cpu"}


@pytest.fixture(scope="module")
def cat():
    return skimage.data.chelsea()


@pytest.fixture(scope="module")
def localizers():
    torch.manual_seed(0)
    model = ws.Localizer("resnet18", **MODEL).model
    return {
        quality: ws.Localizer(model, method="gradcam", quality=quality, input_size=96)
        for quality in ("plain", "fast", "balanced", "best")
    }


def images_seen(localizer, image):
    """How many images the model is shown for one image."""
    seen = []
    handle = localizer.model.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    found = localizer(image)
    handle.remove()
    return sum(seen), found


@pytest.mark.parametrize(("quality", "passes"), [("plain", 1), ("fast", 1), ("balanced", 1), ("best", 1)])
def test_each_quality_runs_its_number_of_passes(localizers, cat, quality, passes):
    seen, found = images_seen(localizers[quality], cat)
    assert seen == passes
    assert found.heatmap.max() == 1
    assert localizers[quality].quality == quality


def test_fast_is_the_default():
    assert ws.Localizer("resnet18", **MODEL).quality == "fast"


def test_fast_propagates_the_maps_of_plain(localizers, cat):
    plain, fast = localizers["plain"], localizers["fast"]
    image = resize_image(Image.fromarray(cat), fast.preprocessing)
    batch = normalize_batch([image], fast.preprocessing)
    index = plain(cat).class_index
    raw = plain.class_maps(batch, torch.tensor([index]))
    assert torch.equal(fast.class_maps(batch, torch.tensor([index])), raw)
    cut = split_model(fast.model, batch, propagate=True)
    expected = feature_affinity(
        forward_with_hooks(cut.model, cut.layers, batch, intermediates=cut.intermediates).intermediates, None
    ).propagate(raw[:, None])
    (found,) = fast.class_maps_of([channels_last(image)], np.array([[index]]), ["gradcam"])
    np.testing.assert_allclose(found.maps, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_a_stream_equals_single_calls_in_every_quality(localizers, quality):
    images = [picture(seed) for seed in range(3)]
    for alone, streamed in zip(
        (localizers[quality](image) for image in images), localizers[quality].stream(images, batch_size=2), strict=True
    ):
        np.testing.assert_allclose(alone.heatmap, streamed.heatmap, atol=1e-4)


def test_every_method_has_every_quality(cat):
    small = {"weights": None, "device": "cpu", "input_size": 96}
    for method in ("gradcam++", "layercam", "eigencam", "hirescam", "cam", "ablationcam", "guided_gradcam"):
        found = ws.Localizer("resnet18", method=method, quality="balanced", **small)(cat)
        assert found.method == method
        assert np.isfinite(found.heatmap).all()


def test_classes_that_are_asked_for_together_have_the_maps_of_single_requests(localizers, cat):
    together = localizers["balanced"](cat, classes=[3, 7])
    for one, index in zip(together, (3, 7), strict=True):
        np.testing.assert_allclose(one.heatmap, localizers["balanced"](cat, classes=[index]).heatmap, atol=1e-4)


def test_a_named_model_has_a_larger_input_and_a_smaller_stride_unless_chosen():
    fast, plain = ws.Localizer("resnet18", **MODEL), ws.Localizer("resnet18", quality="plain", **MODEL)
    assert (fast.preprocessing.height, plain.preprocessing.height) == (288, 224)
    assert ws.Localizer("resnet18", input_size=128, **MODEL).preprocessing.height == 128


def test_a_quality_of_another_name_is_refused():
    with refused("unknown-quality", "finest"):
        ws.Localizer("resnet18", quality="finest", **MODEL)


def test_adapt_fits_a_reproducible_foreground_head(cat):
    images = [cat, skimage.data.coffee(), skimage.data.rocket(), skimage.data.astronaut()]
    heatmaps = []
    for _ in range(2):
        torch.manual_seed(0)
        localizer = ws.Localizer("tf_efficientnet_lite0", device="cpu", input_size=128)
        before = localizer(cat).heatmap
        assert not localizer.is_adapted
        assert localizer.adapt(images, seed=3) == 4
        assert localizer.is_adapted
        heatmaps.append(localizer(cat).heatmap)
        assert not np.array_equal(before, heatmaps[-1])
    np.testing.assert_array_equal(*heatmaps)


def test_adapt_skips_unreadable_images(tmp_path, cat):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    localizer = ws.Localizer("resnet18", input_size=64, **MODEL)
    assert localizer.adapt([tmp_path / "broken.jpg", cat]) == 1


def test_quality_plain_fits_no_foreground_head(cat):
    localizer = ws.Localizer("resnet18", quality="plain", input_size=64, **MODEL)
    assert localizer.adapt([cat]) == 0
    assert not localizer.is_adapted


@pytest.mark.parametrize(("chosen", "adapted"), [(None, 0.55), (0.3, 0.3), (0.4, 0.4)])
def test_a_default_threshold_follows_the_head_and_a_chosen_one_stays(cat, chosen, adapted):
    localizer = ws.Localizer("resnet18", quality="balanced", input_size=96, threshold=chosen, **MODEL)
    assert localizer.threshold == (chosen or 0.4)
    assert localizer.adapt([cat]) == 1
    assert localizer.threshold == localizer(cat).threshold == adapted
    localizer.set_foreground_head(None)
    assert localizer.threshold == (chosen or 0.4)
