"""Our maps beside those of pytorch-grad-cam, on the map's own grid, through a head that is not linear."""

import pytest
import torch
from nets import DeepHeadNet, images

from weakspot.cams import METHODS
from weakspot.models import compute_class_maps, split_model

pytorch_grad_cam = pytest.importorskip("pytorch_grad_cam", reason="install the extra [bench]")


def peers_map(kind, model, layer, batch, classes):
    """The peer's class map before it is cut, scaled and resized."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(int(index)) for index in classes]
    with kind(model=model, target_layers=[layer]) as extractor:
        extractor(input_tensor=batch, targets=targets)
        kept = extractor.activations_and_grads
        activations, gradients = (tensors[0].detach().numpy() for tensors in (kept.activations, kept.gradients))
        found = extractor.get_cam_image(batch, layer, targets, activations, gradients, False)
    return torch.from_numpy(found).relu()


@pytest.mark.parametrize(
    ("method", "kind"),
    [("gradcam", "GradCAM"), ("layercam", "LayerCAM"), ("xgradcam", "XGradCAM"), ("hirescam", "HiResCAM")],
)
def test_our_map_is_theirs(method, kind):
    model, batch, classes = DeepHeadNet(16).eval(), images(4, 16), torch.tensor([0, 1, 2, 3])
    ours = (
        compute_class_maps(split_model(model, batch[:1]), batch, METHODS[method], classes=classes[:, None])
        .maps[:, 0]
        .relu()
    )
    theirs = peers_map(getattr(pytorch_grad_cam, kind), model, model.features, batch, classes)
    assert ours.any()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.max()))


def test_grad_cam_plus_plus_is_theirs_where_gradients_are_large():
    """Their denominator has an absolute 1e-6 more, which drowns in large gradients."""
    model, batch, classes = DeepHeadNet(16).eval(), images(2, 16), torch.tensor([0, 1])
    with torch.no_grad():
        model.fc[3].weight.mul_(1e3)
    ours = compute_class_maps(
        split_model(model, batch[:1]), batch, METHODS["gradcam++"], classes=classes[:, None]
    ).maps[:, 0]
    theirs = peers_map(pytorch_grad_cam.GradCAMPlusPlus, model, model.features, batch, classes)
    assert ours.any()
    torch.testing.assert_close(ours / ours.max(), theirs / theirs.max(), rtol=1e-3, atol=1e-3)
