"""The trained classifier, a backbone and a head, and the configuration from which it is built."""

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
from weakspot.models.networks.backbone import Backbone, build_backbone, check_backbone_size, measure_stride
from weakspot.models.networks.cam import CamHead
from weakspot.models.networks.methods import parse_method
from weakspot.models.networks.psol import WIDTH, PsolHead
from weakspot.models.networks.spg import SpgHead
from weakspot.models.networks.ts_cam import TsCamHead, ViTBackbone
from weakspot.ops.preprocessing import Preprocessing

Head = CamHead | AcolHead | SpgHead | TsCamHead | PsolHead

# Channels of the convolution before CAM's pooling, as in the paper.
_CAM_WIDTH = 1024
# Channels of the branches of ACoL and SPG: a quarter and a half of the papers', at a fraction of the cost.
_BRANCH_WIDTH = 256


@dataclass(frozen=True)
class NetworkConfig:
    """Configuration of a network; with the weights, it determines the network.

    Attributes:
        backbone: Name of the backbone.
        method: Name of the training method, see :func:`weakspot.models.networks.parse_method`.
        classes: Number of classes.
        output_stride: Output stride of the backbone; None for 16 if it supports it, else its own.
        input_size: Side of the images in pixels; None for the backbone's own.
        multi_label: Whether scores are independent sigmoids instead of a softmax.
        width: Number of channels of the head's convolutions, 0 for none; None for a default that depends on the method
            and the backbone.
        delta: Erasing threshold of ACoL.
        teacher: For PSOL: configuration of the network whose boxes it learns, and whose classes it predicts.
        shared: For PSOL: whether the backbone is the teacher's.
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
    """A classifier from images to logits, with layers from which class maps are computed.

    Attributes:
        trunk: The backbone; the name is part of the weights' names in checkpoints.
        head: The head of a training method.
        branches: Names of the layers that the class map method needs; empty for the last feature map.
        network_name: Name of the network type with these branches, as in :class:`weakspot.cams.Method`.
    """

    def __init__(self, trunk: Backbone, head: Head) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.network_name = head.network
        attention = ("trunk.attention",) if isinstance(trunk, ViTBackbone) else ()
        self.branches = (*(f"head.{name}" for name in head.branches), *attention)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, C) of normalized images (B, 3, H, W)."""
        return self.forward_head((self.trunk(images),))

    def forward_head(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Return the head's output for the backbone's feature maps, the last one last."""
        logits: Tensor = self.head(maps[-1])
        return logits


class PsolNetwork(WsolClassifier):
    """A network that predicts boxes, together with the classifier that predicts their class.

    Its logits are the classifier's. ``box_map`` is an identity module whose output is the box as a map, so that a hook
    can capture it.

    Attributes:
        classifier: The frozen teacher; its head only if the backbone is shared.
    """

    def __init__(
        self, trunk: Backbone, head: Head, classifier: nn.Module, convert: Callable[[Tensor], Tensor] | None
    ) -> None:
        super().__init__(trunk, head)
        self.box_map = nn.Identity()
        self.branches = ("box_map",)
        self.classifier = classifier.requires_grad_(False)
        self._convert = convert  # from this network's preprocessing to the teacher's

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, C) of normalized images (B, 3, H, W), and pass the boxes through ``box_map``."""
        maps = self.trunk.maps(images, self.head.depth)
        self.box_map(draw_boxes(self.forward_head(maps), height=images.shape[-2], width=images.shape[-1]))
        logits: Tensor = self.classifier(maps[-1] if self._convert is None else self._convert(images))
        return logits

    def forward_head(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Return the boxes (B, 4) that the head predicts from all of these feature maps."""
        boxes: Tensor = self.head(*maps)
        return boxes


@dataclass(frozen=True)
class BuiltNetwork:
    """A network, its complete configuration, and the preprocessing of its images."""

    network: WsolClassifier
    config: NetworkConfig
    preprocessing: Preprocessing


def build_network(config: NetworkConfig, *, weights: str | Path | None, max_weights: int | None = None) -> BuiltNetwork:
    """Build a network from its configuration.

    Args:
        config: The configuration; values that are None are replaced by defaults in the returned configuration.
        weights: Weights of the backbone, as for :func:`weakspot.models.load_classifier`; the head's are random.
        max_weights: Maximum number of weights, such as the bytes of a file that will be loaded; None for any.

    Raises:
        ModelError: ``weights-mismatch`` for a network that has more weights; it is not built.
    """
    head = parse_method(config.method).head
    if max_weights is not None:
        check_backbone_size(config.backbone, max_weights)
    built = build_backbone(
        config.backbone, weights=weights, output_stride=config.output_stride, input_size=config.input_size
    )
    backbone = ViTBackbone(built.backbone) if head == "ts_cam" else built.backbone
    complete = _fill_defaults(config, backbone, built.preprocessing)
    with torch.inference_mode(False):
        if max_weights is not None:
            _check_head_size(complete, backbone, max_weights)
        network = WsolClassifier(backbone, _HEADS[head](backbone, complete))
        if config.teacher is not None:
            network = _with_teacher(network, config.teacher, config.shared, built.preprocessing, max_weights)
        return BuiltNetwork(network, complete, built.preprocessing)


def _with_teacher(
    network: WsolClassifier,
    teacher: NetworkConfig,
    shared: bool,
    preprocessing: Preprocessing,
    max_weights: int | None,
) -> PsolNetwork:
    if shared:
        if max_weights is not None:
            _check_head_size(teacher, network.trunk, max_weights)
        head = _HEADS[parse_method(teacher.method).head](network.trunk, teacher)
        return PsolNetwork(network.trunk, network.head, head, None)
    built = build_network(teacher, weights=None, max_weights=max_weights)
    convert = partial(renormalize, source=preprocessing, target=built.preprocessing)
    return PsolNetwork(network.trunk, network.head, built.network, convert)


def _check_head_size(config: NetworkConfig, backbone: Backbone, max_weights: int) -> None:
    """Raise ModelError (``weights-mismatch``) if a head has more weights; it is built without memory."""
    try:
        with torch.device("meta"):
            head = _HEADS[parse_method(config.method).head](backbone, config)
        count = sum(value.numel() for value in head.parameters())
    except (RuntimeError, OverflowError):  # sizes that torch does not have
        count = max_weights + 1
    if count > max_weights:
        problem = f"A head of width {config.width} for {config.classes} classes has more weights than the file."
        raise ModelError("weights-mismatch", problem)


def _fill_defaults(config: NetworkConfig, backbone: Backbone, preprocessing: Preprocessing) -> NetworkConfig:
    """Replace the values of a configuration that are None."""
    if config.width is not None and config.width < 0:
        raise InputError("out-of-range", f"width must be at least 0, got {config.width}.")
    if not 0 < config.delta <= 1:
        raise InputError("out-of-range", f"delta must be in (0, 1], got {config.delta}.", "The paper tries 0.5 to 0.9.")
    widths = {"cam": 0 if backbone.pooled else _CAM_WIDTH, "ts_cam": 0, "psol": WIDTH}
    widths["mil"] = widths["cam"]
    width = widths.get(parse_method(config.method).head, _BRANCH_WIDTH) if config.width is None else config.width
    stride = measure_stride(backbone, preprocessing)
    return replace(config, width=width, output_stride=stride, input_size=preprocessing.height)


def _cam(backbone: Backbone, config: NetworkConfig) -> CamHead:
    return CamHead(backbone.channels[-1], config.classes, width=config.width or None)


def _acol(backbone: Backbone, config: NetworkConfig) -> AcolHead:
    return AcolHead(
        backbone.channels[-1],
        config.classes,
        delta=config.delta,
        width=config.width or _BRANCH_WIDTH,
        multi_label=config.multi_label,
    )


def _spg(backbone: Backbone, config: NetworkConfig) -> SpgHead:
    if len(backbone.channels) < SpgHead.depth:
        problem = f"spg needs a backbone with intermediate feature maps, got {config.backbone}."
        raise ModelError("backbone-mismatch", problem, "Use one of timm's.")
    first, second, last = backbone.channels[-SpgHead.depth :]
    return SpgHead((first, second, last), config.classes, width=config.width or _BRANCH_WIDTH)


def _ts_cam(backbone: Backbone, config: NetworkConfig) -> TsCamHead:
    return TsCamHead(backbone.channels[-1], config.classes)


def _psol(backbone: Backbone, config: NetworkConfig) -> PsolHead:
    return PsolHead(backbone.channels[-PsolHead.max_maps :], width=config.width or WIDTH)


_HEADS: Mapping[str, Callable[[Backbone, NetworkConfig], Head]] = {
    "cam": _cam,
    "acol": _acol,
    "spg": _spg,
    "ts_cam": _ts_cam,
    "psol": _psol,
    "mil": _cam,  # its maps are those of a position head, which is fitted afterwards
}
