"""Pictures of bright discs on a dark ground, and a classifier of colours whose class maps lie on them."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.models import register_model
from torch import nn

import weakspot as ws

COLOURS = {
    "blue": (0, 0, 1),
    "cyan": (0, 1, 1),
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "red": (1, 0, 0),
    "white": (1, 1, 1),
    "yellow": (1, 1, 0),
}
NAMES = tuple(COLOURS)
TIMM_NAME = "colours_of_tests"
HEADER = ("image_id", "xmin", "ymin", "xmax", "ymax", "class")
Box = tuple[float, float, float, float]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """So small a network is ten times as fast without threads that wait for each other; import it to have it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Colours(nn.Module):
    """Cells of the picture, a channel for each colour, global average pooling, a linear identity."""

    def __init__(self, cell=4, names=NAMES):
        super().__init__()
        lit = torch.tensor([COLOURS[name] for name in names], dtype=torch.float32)
        self.features = nn.Sequential(nn.AvgPool2d(cell), nn.Conv2d(3, len(names), 1, bias=False), nn.ReLU())
        self.fc = nn.Linear(len(names), len(names), bias=False)
        self.num_classes = len(names)
        with torch.no_grad():
            self.features[1].weight.copy_((lit / lit.sum(1, keepdim=True) - (1 - lit))[..., None, None])
            self.fc.weight.copy_(torch.eye(len(names)))

    def forward(self, images):
        return self.fc(self.features(images).mean(dim=(2, 3)))


@register_model
def colours_of_tests(pretrained=False, output_stride=4, **_options):
    """The same by name, as the command line takes it."""
    model = Colours(output_stride).eval()
    model.pretrained_cfg = {"input_size": (3, 224, 224), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    return model


class Scene(NamedTuple):
    """A picture: where its classes are said to be, and what is drawn, which is the same unless it is said."""

    name: str
    objects: tuple[tuple[str, Box], ...]
    split: str = "test"
    size: tuple[int, int] = (120, 80)
    drawn: tuple[tuple[str, Box], ...] | None = None
    masked: bool = False


# Discs have a box that bounds them, unless `drawn` says otherwise. Sizes are small, medium and large.
SCENES = (
    Scene("red/exact", (("red", (20, 10, 80, 60)),), masked=True),
    Scene("red/val", (("red", (30, 20, 90, 70)),), "val", masked=True),
    Scene("red/tight val", (("red", (34, 22, 78, 60)),), "val", drawn=(("red", (21, 11, 91, 71)),)),
    Scene("blue/val", (("blue", (10, 10, 70, 50)),), "val", masked=True),
    Scene("green/val", (("green", (0, 0, 110, 75)),), "val", drawn=(("green", (10, 10, 100, 70)),)),
    Scene("red/tight", (("red", (38, 24, 72, 56)),), drawn=(("red", (20, 10, 90, 70)),)),
    Scene("green/off", (("green", (0, 0, 40, 40)),), drawn=(("green", (50, 30, 110, 75)),), masked=True),
    Scene(
        "green/two", (("green", (0, 40, 20, 70)), ("green", (60, 10, 110, 60))), drawn=(("green", (60, 10, 110, 60)),)
    ),
    Scene("blue/distracted", (("blue", (5, 5, 45, 35)),), drawn=(("blue", (5, 5, 45, 35)), ("red", (50, 10, 118, 78)))),
    Scene(
        "red/crowded",
        (("red", (2, 2, 22, 22)),),
        size=(200, 100),
        drawn=(
            ("red", (2, 2, 22, 22)),
            *((name, (2 + 28 * i, 24, 30 + 28 * i, 98)) for i, name in enumerate(NAMES) if name != "red"),
        ),
        masked=True,
    ),
    Scene("cyan/exact", (("cyan", (10, 20, 60, 70)),)),
    Scene("yellow/wide", (("yellow", (150, 4, 320, 26)),), size=(400, 30), masked=True),
    Scene("white/small", (("white", (60, 60, 72, 72)),), size=(100, 150)),
    Scene("magenta/large", (("magenta", (5, 5, 95, 145)),), size=(100, 150), masked=True),
)
VALIDATION = tuple(scene for scene in SCENES if scene.split == "val")
TEST = tuple(scene for scene in SCENES if scene.split == "test")


def picture(scene):
    """Discs that fade from their middle on, uint8 of shape (height, width, 3)."""
    width, height = scene.size
    light = np.zeros((height, width, 3))
    for name, box in scene.objects if scene.drawn is None else scene.drawn:
        light = np.maximum(light, _disc(box, width, height)[..., None] * COLOURS[name])
    return (light * 255).round().astype(np.uint8)


def mask(scene):
    """Where the discs of the first object's class are, bool of shape (height, width)."""
    width, height = scene.size
    drawn = scene.objects if scene.drawn is None else scene.drawn
    return np.logical_or.reduce([_disc(box, width, height) > 0 for name, box in drawn if name == scene.objects[0][0]])


def _disc(box, width, height):
    x1, y1, x2, y2 = box
    across = (np.arange(width) + 0.5 - (x1 + x2) / 2) / (x2 - x1)
    down = (np.arange(height) + 0.5 - (y1 + y2) / 2) / (y2 - y1)
    far = 2 * np.hypot(across[None, :], down[:, None])
    return np.where(far <= 1, 1 - 0.8 * far, 0)


def write(root, scenes=SCENES, suffix=".png", splits=True):
    """Write scenes as class folders with a CSV of boxes, and give the folder."""
    root = Path(root)
    rows = [(one.name, *box, label) for one in scenes for label, box in one.objects]
    for one in scenes:
        save(root / "images" / f"{one.name}{suffix}", picture(one))
        if one.masked:
            save(root / "masks" / f"{one.name}.png", mask(one).astype(np.uint8) * 255)
    write_csv(root / "annotations.csv", HEADER, rows)
    if splits:
        write_csv(root / "splits.csv", ("image_id", "split"), [(one.name, one.split) for one in scenes])
    return root


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def write_csv(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def path_of(root, scene, suffix=".png"):
    return Path(root, "images", f"{scene.name}{suffix}")


FRAME = {"mean": (0, 0, 0), "std": (1, 1, 1), "input_size": 224, "class_names": NAMES}


def localizer(model=None, method="cam", **options):
    """Maps as published, which can be worked out by other means."""
    return ws.Localizer(model or Colours(), method=method, **(FRAME | {"quality": "plain"} | options))


def command_files(folder):
    """Options with which the command line builds the same classifier, whose files are written to a folder."""
    save_file(timm.create_model(TIMM_NAME).state_dict(), folder / "colours.safetensors")
    (folder / "names.txt").write_text("\n".join(NAMES))
    files = ["--weights", str(folder / "colours.safetensors"), "--class-names", str(folder / "names.txt")]
    return [*files, "--quality", "plain"]


def plain_iou(box, other):
    """Intersection over union, right and bottom excluded, of two boxes written as numbers."""
    (a1, b1, a2, b2), (c1, d1, c2, d2) = (map(float, one) for one in (box, other))
    shared = max(0.0, min(a2, c2) - max(a1, c1)) * max(0.0, min(b2, d2) - max(b1, d1))
    return shared / ((a2 - a1) * (b2 - b1) + (c2 - c1) * (d2 - d1) - shared)
