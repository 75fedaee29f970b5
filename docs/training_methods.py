"""Draw the figures of the page of the training methods: inputs of training, and results of networks trained here.

Networks are trained on the scenes of weakspot.data.synthetic with labels alone, which takes minutes.
Images: a cup of coffee by Rachel Michetti, and the cat Chelsea by Stefan van der Walt, both CC0, from scikit-image.

python docs/training_methods.py [has|cutmix|adl|spg|scenes|transformer ...]
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from methods import IMAGES, SAMPLES
from PIL import Image
from torch import Tensor

import weakspot as ws
from weakspot.cli.demo import sample_image
from weakspot.data import read_dataset, read_image
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.io.atomic import save_image
from weakspot.models.networks.adl import AttentionDropout, insertion_points
from weakspot.models.networks.backbone import build_backbone
from weakspot.models.networks.cutmix import cutmix
from weakspot.models.networks.has import hide_and_seek
from weakspot.models.networks.spg import CLASS_MAP_BOUNDS
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap

SHOWN = 3
# Colors of the confident pixels of SPG: foreground, background.
GREEN, BLUE = (0, 190, 110), (40, 90, 220)
# A badge on the object identifies the class, so CAM highlights little else. Small images save time.
PART = SceneSettings(classes=2, size=160, discriminative_part=True)
COUNTS = {"train": 160, "val": 40, "test": 20}
FROZEN: dict[str, Any] = {"freeze": "backbone", "quality": "plain", "input_size": 160}
# Objects are small compared with the receptive field of a position: at the paper's 0.6 they would be erased.
ACOL: dict[str, Any] = {"width": 64, "delta": 0.9, "epochs": 10}
# No distractors, for a small transformer that begins with random weights.
PLAIN = SceneSettings(classes=2, size=160, distractors=0)
VIT: dict[str, Any] = {"backbone": "test_vit", "weights": "none", "freeze": "none", "epochs": 30, "lr": 3e-4}


def main() -> None:
    """Draw the figures, those that need no training first."""
    for name in sys.argv[1:] or (*INPUTS, *TRAINED):
        if name in INPUTS:
            _save(name, INPUTS[name]())
        else:
            with TemporaryDirectory() as folder:
                TRAINED[name](Path(folder))


def _save(name: str, sheet: Image.Image) -> None:
    save_image(sheet, IMAGES / f"{name}.jpg")


def _images() -> list[Image.Image]:
    return [read_image(sample_image(name)) for name in SAMPLES]


def _tensor(image: Image.Image, side: int = 224) -> Tensor:
    """Resize an image, and convert it to floats in [-1, 1] of shape (1, 3, side, side)."""
    return torch.from_numpy(np.array(image.resize((side, side)))).permute(2, 0, 1)[None] / 127.5 - 1


def _image(tensor: Tensor) -> Image.Image:
    pixels = ((tensor + 1) * 127.5).round().clamp(0, 255).byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _has() -> Image.Image:
    torch.manual_seed(3)
    images = torch.cat([_tensor(image) for image in _images()])
    columns = [images, *(hide_and_seek(images, sizes=(side,)) for side in (16, 32, 56))]
    rows = [[_image(tensor) for tensor in row] for row in zip(*columns, strict=True)]
    return contact_sheet(rows, ["image", "cells of 16 px", "cells of 32 px", "cells of 56 px"], width=180)


def _cutmix() -> Image.Image:
    torch.manual_seed(34)
    images = torch.cat([_tensor(image) for image in _images()])
    mixed, labels = cutmix(images, torch.eye(2))
    rows = [
        [_image(image), draw_boxes(_image(mixture), np.zeros((0, 4)), f"cup {cup:.2f}, cat {cat:.2f}")]
        for image, mixture, (cup, cat) in zip(images, mixed, labels.tolist(), strict=True)
    ]
    return contact_sheet(rows, ["image", "mixture"], width=260)


def _adl() -> Image.Image:
    built = build_backbone("tf_efficientnet_lite0", weights="pretrained")
    layer = insertion_points(built.backbone.backbone)[-1]
    outputs: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        built.backbone.eval()(torch.cat([_tensor(image) for image in _images()]))
    handle.remove()
    attention = outputs[0].mean(dim=1)
    kept = attention <= AttentionDropout().gamma * attention.amax(dim=(1, 2), keepdim=True)
    rows = [
        [image, overlay_heatmap(image, (values / values.max()).clamp(0, 1).numpy()), _masked(image, mask.numpy())]
        for image, values, mask in zip(_images(), attention, kept, strict=True)
    ]
    return contact_sheet(rows, ["image", "attention", "kept positions"], width=240)


def _masked(image: Image.Image, kept: np.ndarray) -> Image.Image:
    mask = Image.fromarray(kept).resize(image.size, Image.Resampling.NEAREST)
    return Image.composite(image, Image.new("RGB", image.size, "black"), mask)


def _spg() -> Image.Image:
    localizer = ws.Localizer(method="cam", quality="plain", output_stride=16)
    rows = []
    for image in _images():
        heatmap = localizer(image).heatmap
        rows.append([image, overlay_heatmap(image, heatmap), _confident(image, heatmap)])
    return contact_sheet(rows, ["image", "class map", "confident pixels"], width=240)


def _confident(image: Image.Image, heatmap: np.ndarray) -> Image.Image:
    """Color confident foreground green and confident background blue; ignored pixels stay."""
    drawn = image
    for color, confident in ((GREEN, heatmap >= CLASS_MAP_BOUNDS[0]), (BLUE, heatmap < CLASS_MAP_BOUNDS[1])):
        mask = Image.fromarray((confident * 150).astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)
        drawn = Image.composite(Image.new("RGB", image.size, color), drawn, mask)
    return drawn


def _trained_on_scenes(folder: Path) -> None:
    data = write_scenes(folder / "scenes", COUNTS, PART)
    cam = ws.train(data, method="cam", output=folder / "cam", **FROZEN)
    student = ws.train(data, method="psol", teacher=cam, freeze="backbone", input_size=160, output=folder / "psol")
    _save("psol", _sheet(data, {"teacher": ws.Localizer(cam), "PSOL": ws.Localizer(student)}))
    acol = ws.train(data, method="acol", output=folder / "acol", **FROZEN, **ACOL)
    branch_a, branch_b, both = (ws.Localizer(acol, method=name) for name in ("acol_a", "acol_b", "acol"))
    localizers = {"CAM": ws.Localizer(cam), "branch A": branch_a, "branch B": branch_b, "ACoL": both}
    _save("acol", _sheet(data, localizers))


def _trained_transformer(folder: Path) -> None:
    data = write_scenes(folder / "plain", COUNTS | {"train": 600}, PLAIN)
    run = ws.train(data, method="ts_cam", quality="plain", output=folder / "ts_cam", **VIT)
    _save("ts_cam", _sheet(data, {"TS-CAM": ws.Localizer(run)}))


def _sheet(data: Path, localizers: Mapping[str, Callable[..., ws.Localization]]) -> Image.Image:
    """Draw a row for each scene: its true box, and the localization of each method for the true class."""
    scenes: Iterable = read_dataset(data).of_split("test")[:SHOWN]
    rows = []
    for scene in scenes:
        annotation = scene.annotations[0]
        true_box = draw_boxes(read_image(scene.path), np.asarray(annotation.boxes), annotation.label)
        plots = (localizer(scene.path, classes=[annotation.label]).plot() for localizer in localizers.values())
        rows.append([true_box, *plots])
    return contact_sheet(rows, ["scene and true box", *localizers], width=190)


INPUTS = {"has": _has, "cutmix": _cutmix, "adl": _adl, "spg": _spg}
TRAINED = {"scenes": _trained_on_scenes, "transformer": _trained_transformer}

if __name__ == "__main__":
    main()
