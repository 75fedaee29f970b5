"""Make the pictures of the training methods page: what training sees, and what networks find that were trained here.

Networks are trained on the painted scenes of weakspot.data.synthetic with labels alone, which takes minutes.
Photos: a cup of coffee by Rachel Michetti, and the cat Chelsea by Stefan van der Walt, both CC0, from scikit-image.

python docs/training_methods.py [has|cutmix|adl|spg|scenes|transformer ...]
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from methods import IMAGES, PHOTOS
from PIL import Image
from torch import Tensor

import weakspot as ws
from weakspot.cli.demo import photo_path
from weakspot.data import read_dataset, read_image
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.io.atomic import save_image
from weakspot.models.networks.adl import AttentionDropout, insertion_points
from weakspot.models.networks.backbone import build_backbone
from weakspot.models.networks.cutmix import cutmix
from weakspot.models.networks.has import hide_and_seek
from weakspot.models.networks.spg import LAST_MAP
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap

SHOWN = 3
# Shades of what SPG is sure of: foreground, background.
GREEN, BLUE = (0, 190, 110), (40, 90, 220)
# A badge on the object tells the class, so CAM lights little else. Small images, as this is to take a minute.
PART = SceneSettings(classes=2, size=160, discriminative_part=True)
COUNTS = {"train": 160, "val": 40, "test": 20}
FROZEN: dict[str, Any] = {"freeze": "backbone", "quality": "plain", "input_size": 160}
# Objects are small beside what a place of the feature map sees: at the paper's 0.6 all of them would be erased.
ACOL: dict[str, Any] = {"width": 64, "delta": 0.9, "epochs": 10}
# Nothing that distracts, for a small transformer that begins with random weights.
PLAIN = SceneSettings(classes=2, size=160, distractors=0)
VIT: dict[str, Any] = {"backbone": "test_vit", "weights": "none", "freeze": "none", "epochs": 30, "lr": 3e-4}


def main() -> None:
    """Write the pictures, those that need no training first."""
    for name in sys.argv[1:] or (*SEEN, *TRAINED):
        if name in SEEN:
            _save(name, SEEN[name]())
        else:
            with TemporaryDirectory() as folder:
                TRAINED[name](Path(folder))


def _save(name: str, sheet: Image.Image) -> None:
    save_image(sheet, IMAGES / f"{name}.jpg")


def _photos() -> list[Image.Image]:
    return [read_image(photo_path(name)) for name in PHOTOS]


def _tensor(photo: Image.Image, side: int = 224) -> Tensor:
    """A squashed photo as floats, shape (1, 3, side, side), of mean 0 as networks see it."""
    return torch.from_numpy(np.array(photo.resize((side, side)))).permute(2, 0, 1)[None] / 127.5 - 1


def _picture(tensor: Tensor) -> Image.Image:
    pixels = ((tensor + 1) * 127.5).round().clamp(0, 255).byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _has() -> Image.Image:
    torch.manual_seed(3)
    photos = torch.cat([_tensor(photo) for photo in _photos()])
    columns = [photos, *(hide_and_seek(photos, sizes=(side,)) for side in (16, 32, 56))]
    rows = [[_picture(one) for one in row] for row in zip(*columns, strict=True)]
    return contact_sheet(rows, ["photo", "cells of 16 px", "cells of 32 px", "cells of 56 px"], width=180)


def _cutmix() -> Image.Image:
    torch.manual_seed(34)
    photos = torch.cat([_tensor(photo) for photo in _photos()])
    mixed, shares = cutmix(photos, torch.eye(2))
    rows = [
        [_picture(photo), draw_boxes(_picture(one), np.zeros((0, 4)), f"cup {cup:.2f}, cat {cat:.2f}")]
        for photo, one, (cup, cat) in zip(photos, mixed, shares.tolist(), strict=True)
    ]
    return contact_sheet(rows, ["photo", "what is learnt from"], width=260)


def _adl() -> Image.Image:
    built = build_backbone("tf_efficientnet_lite0", weights="pretrained")
    layer = insertion_points(built.trunk.backbone)[-1]
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        built.trunk.eval()(torch.cat([_tensor(photo) for photo in _photos()]))
    handle.remove()
    attention = seen[0].mean(dim=1)
    kept = attention <= AttentionDropout().gamma * attention.amax(dim=(1, 2), keepdim=True)
    rows = [
        [photo, overlay_heatmap(photo, (one / one.max()).clamp(0, 1).numpy()), _masked(photo, keep.numpy())]
        for photo, one, keep in zip(_photos(), attention, kept, strict=True)
    ]
    return contact_sheet(rows, ["photo", "attention", "what is kept"], width=240)


def _masked(photo: Image.Image, keep: np.ndarray) -> Image.Image:
    mask = Image.fromarray(keep).resize(photo.size, Image.Resampling.NEAREST)
    return Image.composite(photo, Image.new("RGB", photo.size, "black"), mask)


def _spg() -> Image.Image:
    localizer = ws.Localizer(method="cam", quality="plain", output_stride=16)
    rows = []
    for photo in _photos():
        heatmap = localizer(photo).heatmap
        rows.append([photo, overlay_heatmap(photo, heatmap), _sure(photo, heatmap)])
    return contact_sheet(rows, ["photo", "class map", "what it is sure of"], width=240)


def _sure(photo: Image.Image, heatmap: np.ndarray) -> Image.Image:
    """Colour what is foreground green and what is background blue; what teaches nothing stays."""
    drawn = photo
    for colour, sure in ((GREEN, heatmap >= LAST_MAP[0]), (BLUE, heatmap < LAST_MAP[1])):
        mask = Image.fromarray((sure * 150).astype(np.uint8)).resize(photo.size, Image.Resampling.NEAREST)
        drawn = Image.composite(Image.new("RGB", photo.size, colour), drawn, mask)
    return drawn


def _trained_on_scenes(folder: Path) -> None:
    data = write_scenes(folder / "scenes", COUNTS, PART)
    cam = ws.train(data, method="cam", output=folder / "cam", **FROZEN)
    taught = ws.train(data, method="psol", teacher=cam, freeze="backbone", input_size=160, output=folder / "psol")
    _save("psol", _sheet(data, {"the run that teaches": ws.Localizer(cam), "PSOL": ws.Localizer(taught)}))
    acol = ws.train(data, method="acol", output=folder / "acol", **FROZEN, **ACOL)
    branch_a, branch_b, both = (ws.Localizer(acol, method=name) for name in ("acol_a", "acol_b", "acol"))
    found = {"CAM": ws.Localizer(cam), "branch A": branch_a, "branch B": branch_b, "ACoL": both}
    _save("acol", _sheet(data, found))


def _trained_transformer(folder: Path) -> None:
    data = write_scenes(folder / "plain", COUNTS | {"train": 600}, PLAIN)
    run = ws.train(data, method="ts_cam", quality="plain", output=folder / "ts_cam", **VIT)
    _save("ts_cam", _sheet(data, {"TS-CAM": ws.Localizer(run)}))


def _sheet(data: Path, find: Mapping[str, Callable[..., ws.Localization]]) -> Image.Image:
    """A row for each scene: its true box, and what was found; the class is given, the place is not."""
    scenes: Iterable = read_dataset(data).of_split("test")[:SHOWN]
    rows = []
    for scene in scenes:
        truth = scene.annotations[0]
        first = draw_boxes(read_image(scene.path), np.asarray(truth.boxes), truth.label)
        rows.append([first, *(one(scene.path, classes=[truth.label]).plot() for one in find.values())])
    return contact_sheet(rows, ["scene and true box", *find], width=190)


SEEN = {"has": _has, "cutmix": _cutmix, "adl": _adl, "spg": _spg}
TRAINED = {"scenes": _trained_on_scenes, "transformer": _trained_transformer}

if __name__ == "__main__":
    main()
