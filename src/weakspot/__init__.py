"""weakspot: find where things are, from labels that only say what they are.

The public names load on first use, so ``import weakspot`` itself costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weakspot.config import __version__ as __version__

if TYPE_CHECKING:
    from weakspot import cams, data, metrics, ops
    from weakspot.errors import InputError, ModelError, WeakspotError
    from weakspot.evaluation import compare, evaluate
    from weakspot.inference.localization import Localization
    from weakspot.inference.localizer import Localizer
    from weakspot.serving.client.client import Client
    from weakspot.training import train

# Public name -> module that holds it; a module stands for itself.
_HOMES = {
    "Client": "weakspot.serving.client.client",
    "InputError": "weakspot.errors",
    "Localization": "weakspot.inference.localization",
    "Localizer": "weakspot.inference.localizer",
    "ModelError": "weakspot.errors",
    "WeakspotError": "weakspot.errors",
    "cams": "weakspot.cams",
    "compare": "weakspot.evaluation",
    "data": "weakspot.data",
    "evaluate": "weakspot.evaluation",
    "metrics": "weakspot.metrics",
    "ops": "weakspot.ops",
    "train": "weakspot.training",
}

__all__ = [
    "Client",
    "InputError",
    "Localization",
    "Localizer",
    "ModelError",
    "WeakspotError",
    "cams",
    "compare",
    "data",
    "evaluate",
    "metrics",
    "ops",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'weakspot' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if _HOMES[name] == f"weakspot.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
