"""weakspot: weakly supervised object localization, which locates objects from image-level labels.

The public names are imported on first use, so that ``import weakspot`` is fast.
"""

import os
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

# Libraries read these when they are imported: none tells its makers that it is used. What the user has set stays.
for _name, _value in (
    ("ORT_DISABLE_TELEMETRY", "1"),  # looks up a host, and keeps an identifier and a database in the user's cache
    ("HF_HUB_DISABLE_TELEMETRY", "1"),  # says what else is installed when it downloads a model
    ("RAY_USAGE_STATS_ENABLED", "0"),
):
    os.environ.setdefault(_name, _value)

# Public name -> module that defines it, or the module itself.
_MODULES = {
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
    if name not in _MODULES:
        raise AttributeError(f"module 'weakspot' has no attribute {name!r}")
    module = import_module(_MODULES[name])
    return module if _MODULES[name] == f"weakspot.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
