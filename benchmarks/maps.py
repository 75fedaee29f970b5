"""The cost of a class map relative to the forward pass, for weakspot and other libraries.

All use the same model object, the same batch of 8 images of 224 px and the same classes (with --channels-last, model
and images are channels last in memory), and run in turn in one process. Each result is a median over the rounds,
divided by that of the forward pass alone (under inference_mode). CPU time counts all threads. Memory is the peak above
the loaded model in a separate process. "5 classes" computes the maps of five classes of each image.

    python benchmarks/maps.py
    python benchmarks/maps.py --models tf_efficientnet_lite0 --rounds 21 --channels-last

The other libraries are installed by the extra [bench]: grad-cam (pytorch-grad-cam), torchcam and captum.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
from timing import interleaved
from torch import Tensor, nn

import weakspot as ws

BATCH, SIZE, THREADS, CLASSES = 8, 224, 2, 5
# Name -> the model, and the target layer for libraries that do not find it themselves.
MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet50": (torchvision.models.resnet50, "layer4"),
    "vgg16": (torchvision.models.vgg16, "features.29"),
    "tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), "bn2"),
}
Run = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--peak-of", nargs=2, metavar=("MODEL", "CONTESTANT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    if options.peak_of:
        print(peak_memory(*options.peak_of, options.channels_last))
        return
    peers = ", ".join(f"{package} {version(package)}" for package in ("torch", "grad-cam", "torchcam", "captum"))
    print(
        f"Python {platform.python_version()}, {peers}; batch {BATCH} of {SIZE} px, {THREADS} threads"
        f"{', channels last' if options.channels_last else ''}\n"
    )
    results = {name: measure(name, options.rounds, options.channels_last) for name in options.models}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def measure(name: str, rounds: int, channels_last: bool) -> dict[str, dict[str, float]]:
    """Print the table of one model, and return its results."""
    runs = contestants(*build(name, channels_last))
    seconds = {contestant: times.cpu for contestant, times in interleaved(runs, rounds).items()}
    peaks = {contestant: peak_in_a_process(name, contestant, channels_last) for contestant in runs}
    forward, lone_peak = seconds["forward only"], peaks["forward only"]
    print(
        f"**{name}**: forward only {forward:.2f} s of CPU time a batch, {lone_peak / 2**20:.0f} MiB above the model\n"
    )
    print("| contestant | CPU time / forward | memory / forward |\n|---|---|---|")
    results = {}
    for contestant in runs:
        results[contestant] = {"cpu": seconds[contestant] / forward, "memory": peaks[contestant] / lone_peak}
        print(f"| {contestant} | {results[contestant]['cpu']:.2f} | {results[contestant]['memory']:.2f} |", flush=True)
    print(flush=True)
    return results


def build(name: str, channels_last: bool) -> tuple[nn.Module, str, Tensor]:
    """Return a model with fixed random weights, its target layer and its images."""
    make, layer = MODELS[name]
    torch.manual_seed(0)
    model, images = make().eval(), torch.randn(BATCH, 3, SIZE, SIZE)
    if channels_last:
        return model.to(memory_format=torch.channels_last), layer, images.to(memory_format=torch.channels_last)
    return model, layer, images


def contestants(model: nn.Module, layer: str, images: Tensor) -> dict[str, Run]:
    """Return a function per contestant that computes class maps; Localizers are built by their first run."""
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as TorchcamGradCAM

    one, five = torch.arange(BATCH), torch.arange(BATCH * CLASSES).view(BATCH, CLASSES)
    module = model.get_submodule(layer)

    def forward() -> Tensor:
        with torch.inference_mode():
            return model(images)

    def ours(method: str, classes: Tensor) -> Run:
        localizer = cache(lambda: ws.Localizer(model, method=method, quality="plain"))
        return lambda: localizer().class_maps(images, classes)

    def grad_cam(kind: type) -> Run:
        targets = [ClassifierOutputTarget(int(index)) for index in one]

        def run() -> object:
            with kind(model=model, target_layers=[module]) as extractor:
                return extractor(input_tensor=images, targets=targets)

        return run

    def torchcam() -> object:
        with TorchcamGradCAM(model, layer) as extractor:
            return extractor(one.tolist(), model(images))

    def captum() -> object:
        return LayerGradCam(model, module).attribute(images, target=one)

    cam = {} if layer == "features.29" else {"weakspot CAM": ours("cam", one)}
    return (
        {"forward only": forward}
        | cam
        | {
            "weakspot Grad-CAM": ours("gradcam", one),
            "weakspot Grad-CAM++": ours("gradcam++", one),
            "weakspot LayerCAM": ours("layercam", one),
            "weakspot Grad-CAM, 5 classes": ours("gradcam", five),
            "pytorch-grad-cam Grad-CAM": grad_cam(GradCAM),
            "pytorch-grad-cam Grad-CAM++": grad_cam(GradCAMPlusPlus),
            "torchcam Grad-CAM": torchcam,
            "captum Grad-CAM": captum,
        }
    )


def peak_in_a_process(model: str, contestant: str, channels_last: bool) -> int:
    """Return the peak memory in bytes of one contestant above the loaded model, in a new process."""
    command = [sys.executable, "-W", "ignore", __file__, "--peak-of", model, contestant]
    command += ["--channels-last"] if channels_last else []
    # Freed memory is returned to the system at once, so that resident memory is memory in use.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def peak_memory(name: str, contestant: str, channels_last: bool) -> int:
    """Run a contestant once to load all that it keeps, and once to measure."""
    run = contestants(*build(name, channels_last))[contestant]
    run()
    with memory_peak() as peak:
        run()
    return peak[0]


@contextmanager
def memory_peak() -> Iterator[list[int]]:
    """Measure the increase of the peak of resident memory in bytes (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, peak = resident("VmRSS"), [0]
    yield peak
    peak[0] = resident("VmHWM") - before


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
