import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torchmetrics import MeanMetric

from weakspot.cams.psol import draw_boxes
from weakspot.data import Preprocessing
from weakspot.models import normalize_batch, renormalize
from weakspot.models.networks import NetworkConfig, PsolNetwork, build_network
from weakspot.models.networks.psol import BoxCriterion, PsolHead, box_from_projections, cell_coverage, flip_boxes

TEACHER = NetworkConfig("test_efficientnet", "cam", 3, input_size=64)


def drawn_features(boxes, side=12):
    """Feature maps that show each box: one channel is high inside, the other outside; and noise."""
    inside = (draw_boxes(boxes, height=side, width=side) >= 0.5).float()
    return torch.cat([inside, 1 - inside], dim=1) + 0.1 * torch.randn(len(boxes), 2, side, side)


def some_boxes(count):
    corner, size = 0.6 * torch.rand(count, 2), 0.2 + 0.2 * torch.rand(count, 2)
    return torch.cat([corner, corner + size], dim=1)


def test_the_head_learns_boxes_from_features():
    torch.manual_seed(0)
    head, boxes = PsolHead([2], width=16), some_boxes(96)
    features, optimizer = drawn_features(boxes), torch.optim.Adam(head.parameters(), 1e-2)
    for some in [part for _ in range(25) for part in torch.randperm(96).split(16)]:
        loss, _ = head.loss((features[some],), boxes[some], BoxCriterion())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    others = some_boxes(64)
    with torch.no_grad():
        found = head.eval()(drawn_features(others))
    mean = boxes.mean(dim=0).expand(64, 4)
    assert float(BoxCriterion()(found, others)) < 0.4
    assert float(BoxCriterion()(mean, others)) > 0.7


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(5, 12))
def test_a_box_is_recovered_from_its_projections(ends, cells):
    (x1, x2), (y1, y2) = sorted(ends[:2]), sorted(ends[2:])
    # An interval within one cell determines its size but not its position.
    assume(min(x2 - x1, y2 - y1) > 1 / cells)
    box = torch.tensor([[x1, y1, x2, y2]], dtype=torch.float64)
    columns, rows = (cell_coverage(box[:, i], box[:, i + 2], cells).logit(eps=1e-9) for i in (0, 1))
    assert torch.allclose(box_from_projections(columns, rows), box, atol=1e-6) or _covers_no_whole_cell(box, cells)


def _covers_no_whole_cell(box, cells):
    """If no cell is completely inside, the box cannot be distinguished from a smaller, more confident one."""
    return any(bool(cell_coverage(box[:, i], box[:, i + 2], cells).max() < 1 - 1e-6) for i in (0, 1))


@given(st.integers(0, 2**32))
def test_boxes_are_valid_and_inside_the_image(seed):
    torch.manual_seed(seed)
    x1, y1, x2, y2 = PsolHead([3], width=4).eval()(10 * torch.randn(4, 3, 5, 6)).unbind(1)
    assert bool(((x1 >= 0) & (x1 < x2) & (x2 <= 1) & (y1 >= 0) & (y1 < y2) & (y2 <= 1)).all())


def test_flipped_boxes_are_those_of_the_mirrored_image():
    boxes = some_boxes(8)
    mirrored = draw_boxes(boxes, height=20, width=30).flip(3)
    assert torch.allclose(draw_boxes(flip_boxes(boxes), height=20, width=30), mirrored, atol=1e-5)


def test_loss_is_generalized_iou_and_metric_is_mean_iou():
    criterion = BoxCriterion()
    apart = torch.tensor([[0.0, 0.0, 0.25, 1.0]]), torch.tensor([[0.75, 0.0, 1.0, 1.0]])
    assert float(criterion(*apart)) == pytest.approx(1.5)  # no overlap, and half of the enclosing box is empty
    score = criterion.build_metric(3)
    assert isinstance(score, MeanMetric)
    criterion.update_metric(
        score, torch.tensor([[0.0, 0, 1, 1], [0, 0, 0.5, 1]]), torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1]])
    )
    assert float(score.compute()) == 0.75


@pytest.mark.parametrize(("backbone", "shared"), [("test_efficientnet", True), ("test_resnet", False)])
def test_the_logits_are_the_teachers(backbone, shared):
    teacher = build_network(TEACHER, weights=None)
    config = NetworkConfig(backbone, "psol", 3, input_size=64, teacher=teacher.config, shared=shared)
    built = build_network(config, weights=None)
    network = built.network.eval()
    assert isinstance(network, PsolNetwork)
    torch.nn.init.normal_(teacher.network.head.classifier.weight)
    if shared:
        network.trunk.load_state_dict(teacher.network.trunk.state_dict())
    network.classifier.load_state_dict((teacher.network.head if shared else teacher.network).state_dict())
    image = [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)]
    with torch.no_grad():
        expected = teacher.network.eval()(normalize_batch(image, teacher.preprocessing))
        found = network(normalize_batch(image, built.preprocessing))
    assert torch.allclose(found, expected, atol=1e-4)
    assert not any(one.requires_grad for one in network.classifier.parameters())


def test_a_shared_backbone_is_stored_once():
    config = NetworkConfig("test_efficientnet", "psol", 3, input_size=64, teacher=TEACHER, shared=True)
    state = build_network(config, weights=None).network.state_dict()
    assert sorted(name for name in state if name.startswith("classifier.")) == [
        "classifier.classifier.bias",
        "classifier.classifier.weight",
    ]


def test_renormalized_images_equal_images_normalized_directly():
    images = [torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)]
    own, other = Preprocessing(8, 8), Preprocessing(8, 8, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    of_own, of_other = (normalize_batch(images, frame) for frame in (own, other))
    assert torch.allclose(renormalize(of_own, source=own, target=other), of_other, atol=1e-5)
