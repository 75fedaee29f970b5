"""A trunk and a head: the classifier that is trained, and the plan by which it is built again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError
from weakspot.networks.acol import AcolHead
from weakspot.networks.cam import CamHead
from weakspot.networks.recipes import find_recipe
from weakspot.networks.spg import SpgHead
from weakspot.networks.trunks import Trunk, build_trunk, stride_of
from weakspot.networks.ts_cam import AttendingTrunk, TsCamHead

Head = CamHead | AcolHead | SpgHead | TsCamHead

# Channels of the convolution that makes a backbone CAM-able, as in the paper.
_CAM_WIDTH = 1024
# Channels of the branches of ACoL and SPG: a quarter and a half of the papers', at a fraction of the cost.
_BRANCH_WIDTH = 256


@dataclass(frozen=True)
class Plan:
    """All that says what a network is but its weights.

    Attributes:
        backbone: Name of the backbone.
        method: Name of the training method, see :func:`weakspot.networks.find_recipe`.
        classes: Number of classes.
        output_stride: Of the backbone; None for 16 where it can, and else its own.
        input_size: Side of its images; None for its own.
        multi_label: Whether each class is present or not, for itself.
        width: Channels of the head's convolutions, 0 for none; None for what suits the method and the backbone.
        delta: For ACoL: where to erase.
    """

    backbone: str
    method: str
    classes: int
    output_stride: int | None = None
    input_size: int | None = None
    multi_label: bool = False
    width: int | None = None
    delta: float = 0.6


class Network(nn.Module):
    """A classifier from images to logits, whose class maps are there to be read.

    Attributes:
        branches: Names of the layers that the method in ``reads`` reads; empty for the last feature map.
        branches_of: Kind of network that has these branches, as :class:`weakspot.cams.Method` names it.
    """

    def __init__(self, trunk: Trunk, head: Head) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.branches_of = head.network
        attention = ("trunk.attention",) if isinstance(trunk, AttendingTrunk) else ()
        self.branches = (*(f"head.{name}" for name in head.branches), *attention)

    def forward(self, images: Tensor) -> Tensor:
        """Give logits (B, C) of normalised images (B, 3, H, W)."""
        logits: Tensor = self.head(self.trunk(images))
        return logits


@dataclass(frozen=True)
class BuiltNetwork:
    """A network, the plan by which it can be built again, and what its images have to be like."""

    network: Network
    plan: Plan
    preprocessing: Preprocessing


def build_network(plan: Plan, *, weights: str | Path | None) -> BuiltNetwork:
    """Build the network of a plan.

    Args:
        plan: What is None in it is chosen, and stands in the plan that is given back.
        weights: Of the backbone, as for :func:`weakspot.models.load_classifier`; the head begins at random.

    Raises:
        InputError: If the method, the stride or the width cannot be.
        ModelError: If the backbone cannot be had, or the method needs another.
    """
    head = find_recipe(plan.method).head
    built = build_trunk(plan.backbone, weights=weights, output_stride=plan.output_stride, input_size=plan.input_size)
    trunk = AttendingTrunk(built.trunk) if head == "ts_cam" else built.trunk
    chosen = _chosen(plan, trunk, built.preprocessing)
    with torch.inference_mode(False):
        return BuiltNetwork(Network(trunk, _HEADS[head](trunk, chosen)), chosen, built.preprocessing)


def _chosen(plan: Plan, trunk: Trunk, frame: Preprocessing) -> Plan:
    """Fill in what the plan leaves open."""
    if plan.width is not None and plan.width < 0:
        raise InputError(f"The width {plan.width} is below 0.", "Give a number of channels, such as 256.")
    if not 0 < plan.delta <= 1:
        raise InputError(f"delta={plan.delta} is outside (0, 1].", "The paper tries 0.5 to 0.9.")
    widths = {"cam": 0 if trunk.pooled else _CAM_WIDTH, "ts_cam": 0}
    width = widths.get(find_recipe(plan.method).head, _BRANCH_WIDTH) if plan.width is None else plan.width
    return replace(plan, width=width, output_stride=stride_of(trunk, frame), input_size=frame.height)


def _cam(trunk: Trunk, plan: Plan) -> CamHead:
    return CamHead(trunk.channels[-1], plan.classes, width=plan.width or None)


def _acol(trunk: Trunk, plan: Plan) -> AcolHead:
    return AcolHead(
        trunk.channels[-1],
        plan.classes,
        delta=plan.delta,
        width=plan.width or _BRANCH_WIDTH,
        multi_label=plan.multi_label,
    )


def _spg(trunk: Trunk, plan: Plan) -> SpgHead:
    if len(trunk.channels) < SpgHead.depth:
        raise ModelError("SPG needs mid-level feature maps, which this backbone does not give.", "Take one of timm's.")
    first, second, last = trunk.channels[-SpgHead.depth :]
    return SpgHead((first, second, last), plan.classes, width=plan.width or _BRANCH_WIDTH)


def _ts_cam(trunk: Trunk, plan: Plan) -> TsCamHead:
    return TsCamHead(trunk.channels[-1], plan.classes)


_HEADS: Mapping[str, Callable[[Trunk, Plan], Head]] = {"cam": _cam, "acol": _acol, "spg": _spg, "ts_cam": _ts_cam}
