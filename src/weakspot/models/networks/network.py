"""A trunk and a head: the classifier that is trained, and the config by which it is built again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from weakspot.cams.psol import draw_boxes
from weakspot.errors import InputError, ModelError
from weakspot.models import renormalize
from weakspot.models.networks.acol import AcolHead
from weakspot.models.networks.backbone import Backbone, build_backbone, stride_of
from weakspot.models.networks.cam import CamHead
from weakspot.models.networks.methods import parse_method
from weakspot.models.networks.psol import WIDTH, PsolHead
from weakspot.models.networks.spg import SpgHead
from weakspot.models.networks.ts_cam import TsCamHead, ViTBackbone
from weakspot.ops.preprocessing import Preprocessing

# Makes of images what the teacher wants of them.
Reframe = Callable[[Tensor], Tensor]
Head = CamHead | AcolHead | SpgHead | TsCamHead | PsolHead

# Channels of the convolution that makes a backbone CAM-able, as in the paper.
_CAM_WIDTH = 1024
# Channels of the branches of ACoL and SPG: a quarter and a half of the papers', at a fraction of the cost.
_BRANCH_WIDTH = 256


@dataclass(frozen=True)
class NetworkConfig:
    """All that says what a network is but its weights.

    Attributes:
        backbone: Name of the backbone.
        method: Name of the training method, see :func:`weakspot.models.networks.parse_method`.
        classes: Number of classes.
        output_stride: Of the backbone; None for 16 where it can, and else its own.
        input_size: Side of its images; None for its own.
        multi_label: Whether each class is present or not, for itself.
        width: Channels of the head's convolutions, 0 for none; None for what suits the method and the backbone.
        delta: For ACoL: where to erase.
        teacher: For PSOL: of the network whose boxes it learns, and whose classes it takes.
        shared: For PSOL: whether the trunk is the teacher's.
    """

    backbone: str
    method: str
    classes: int
    output_stride: int | None = None
    input_size: int | None = None
    multi_label: bool = False
    width: int | None = None
    delta: float = 0.6
    teacher: "NetworkConfig | None" = None
    shared: bool = False


class WsolClassifier(nn.Module):
    """A classifier from images to logits, whose class maps are there to be read.

    Attributes:
        branches: Names of the layers that the method in ``reads`` reads; empty for the last feature map.
        branches_of: Kind of network that has these branches, as :class:`weakspot.cams.Method` names it.
    """

    def __init__(self, trunk: Backbone, head: Head) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.branches_of = head.network
        attention = ("trunk.attention",) if isinstance(trunk, ViTBackbone) else ()
        self.branches = (*(f"head.{name}" for name in head.branches), *attention)

    def forward(self, images: Tensor) -> Tensor:
        """Give logits (B, C) of normalised images (B, 3, H, W)."""
        return self.answer((self.trunk(images),))

    def answer(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Give what the head says of a trunk's feature maps, the last one last."""
        logits: Tensor = self.head(maps[-1])
        return logits


class PsolNetwork(WsolClassifier):
    """A network that finds boxes, beside the classifier that names what is in them.

    Its logits are the classifier's. ``drawn`` is a module that hands on the box as a map, so that a hook can take it.

    Attributes:
        classifier: The teacher, which learns no more: its head alone where the trunk is shared.
    """

    def __init__(self, trunk: Backbone, head: Head, classifier: nn.Module, reframe: Reframe | None) -> None:
        super().__init__(trunk, head)
        self.drawn = nn.Identity()
        self.branches = ("drawn",)
        self.classifier = classifier.requires_grad_(False)
        self._reframe = reframe

    def forward(self, images: Tensor) -> Tensor:
        """Give logits (B, C) of normalised images (B, 3, H, W), and draw a box in each."""
        maps = self.trunk.maps(images, self.head.depth)
        self.drawn(draw_boxes(self.answer(maps), height=images.shape[-2], width=images.shape[-1]))
        logits: Tensor = self.classifier(maps[-1] if self._reframe is None else self._reframe(images))
        return logits

    def answer(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Give the boxes (B, 4) that the head finds in all of these maps."""
        boxes: Tensor = self.head(*maps)
        return boxes


@dataclass(frozen=True)
class BuiltNetwork:
    """A network, the config by which it can be built again, and what its images have to be like."""

    network: WsolClassifier
    config: NetworkConfig
    preprocessing: Preprocessing


def build_network(config: NetworkConfig, *, weights: str | Path | None) -> BuiltNetwork:
    """Build the network of a config.

    Args:
        config: What is None in it is chosen, and stands in the config that is given back.
        weights: Of the backbone, as for :func:`weakspot.models.load_classifier`; the head begins at random.

    Raises:
        InputError: If the method, the stride or the width cannot be.
        ModelError: If the backbone cannot be had, or the method needs another.
    """
    head = parse_method(config.method).head
    built = build_backbone(
        config.backbone, weights=weights, output_stride=config.output_stride, input_size=config.input_size
    )
    trunk = ViTBackbone(built.trunk) if head == "ts_cam" else built.trunk
    chosen = _chosen(config, trunk, built.preprocessing)
    with torch.inference_mode(False):
        network = WsolClassifier(trunk, _HEADS[head](trunk, chosen))
        if config.teacher is not None:
            network = _beside_teacher(network, config.teacher, config.shared, built.preprocessing)
        return BuiltNetwork(network, chosen, built.preprocessing)


def _beside_teacher(network: WsolClassifier, teacher: NetworkConfig, shared: bool, frame: Preprocessing) -> PsolNetwork:
    if shared:
        head = _HEADS[parse_method(teacher.method).head](network.trunk, teacher)
        return PsolNetwork(network.trunk, network.head, head, None)
    built = build_network(teacher, weights=None)
    reframe = partial(renormalize, frame=frame, to=built.preprocessing)
    return PsolNetwork(network.trunk, network.head, built.network, reframe)


def _chosen(config: NetworkConfig, trunk: Backbone, frame: Preprocessing) -> NetworkConfig:
    """Fill in what the config leaves open."""
    if config.width is not None and config.width < 0:
        raise InputError(
            "out-of-range", f"The width {config.width} is below 0.", "Give a number of channels, such as 256."
        )
    if not 0 < config.delta <= 1:
        raise InputError("out-of-range", f"delta={config.delta} is outside (0, 1].", "The paper tries 0.5 to 0.9.")
    widths = {"cam": 0 if trunk.pooled else _CAM_WIDTH, "ts_cam": 0, "psol": WIDTH}
    width = widths.get(parse_method(config.method).head, _BRANCH_WIDTH) if config.width is None else config.width
    return replace(config, width=width, output_stride=stride_of(trunk, frame), input_size=frame.height)


def _cam(trunk: Backbone, config: NetworkConfig) -> CamHead:
    return CamHead(trunk.channels[-1], config.classes, width=config.width or None)


def _acol(trunk: Backbone, config: NetworkConfig) -> AcolHead:
    return AcolHead(
        trunk.channels[-1],
        config.classes,
        delta=config.delta,
        width=config.width or _BRANCH_WIDTH,
        multi_label=config.multi_label,
    )


def _spg(trunk: Backbone, config: NetworkConfig) -> SpgHead:
    if len(trunk.channels) < SpgHead.depth:
        raise ModelError("SPG needs mid-level feature maps, which this backbone does not give.", "Take one of timm's.")
    first, second, last = trunk.channels[-SpgHead.depth :]
    return SpgHead((first, second, last), config.classes, width=config.width or _BRANCH_WIDTH)


def _ts_cam(trunk: Backbone, config: NetworkConfig) -> TsCamHead:
    return TsCamHead(trunk.channels[-1], config.classes)


def _psol(trunk: Backbone, config: NetworkConfig) -> PsolHead:
    return PsolHead(trunk.channels[-PsolHead.most :], width=config.width or WIDTH)


_HEADS: Mapping[str, Callable[[Backbone, NetworkConfig], Head]] = {
    "cam": _cam,
    "acol": _acol,
    "spg": _spg,
    "ts_cam": _ts_cam,
    "psol": _psol,
}
