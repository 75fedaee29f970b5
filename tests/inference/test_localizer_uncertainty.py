import numpy as np
import pytest
import skimage.data
import torch

import weakspot as ws


@pytest.fixture(scope="module")
def cat():
    return skimage.data.chelsea()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return ws.Localizer("resnet18", weights=None, device="cpu").model


def localizer(model, **changes):
    return ws.Localizer(
        model, **{"method": "gradcam", "quality": "fast", "input_size": 96, "uncertainty": True, **changes}
    )


def images_seen(localizer, image):
    seen = []
    handle = localizer.model.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    found = localizer(image)
    handle.remove()
    return sum(seen), found


@pytest.mark.parametrize(("quality", "passes"), [("plain", 1), ("fast", 1), ("best", 1)])
def test_uncertainty_needs_no_further_pass(model, cat, quality, passes):
    seen, found = images_seen(localizer(model, quality=quality), cat)
    assert seen == passes
    assert 0 < found.uncertainty < 1


def test_boxes_and_scores_do_not_depend_on_uncertainty(model, cat):
    with_uncertainty = localizer(model)(cat, top_k=2).to_dict()
    without = localizer(model, uncertainty=False)(cat, top_k=2).to_dict()
    assert 0 < with_uncertainty.pop("uncertainty") < 1
    assert 0 < with_uncertainty["others"][0].pop("uncertainty") < 1
    assert with_uncertainty == without


def test_every_method_has_uncertainty_also_in_a_stream(model, cat):
    for method in ("cam", "layercam", "eigencam"):
        one = localizer(model, method=method)
        streamed = [found.uncertainty for found in one.stream([cat, cat[:, ::-1]], batch_size=2)]
        assert streamed[0] == pytest.approx(one(cat).uncertainty, abs=1e-3)


def test_a_foreground_head_changes_the_maps(model, cat):
    one = localizer(model)
    before = one(cat).uncertainty
    assert one.adapt([cat, np.ascontiguousarray(cat[:, ::-1])]) == 2
    assert one(cat).uncertainty != before
