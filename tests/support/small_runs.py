"""Small training runs, and easy images."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from weakspot.training import train

COLOURS = {"red": (230, 40, 40), "blue": (40, 40, 230)}
SMALL = {
    "backbone": "test_efficientnet",
    "weights": "none",
    "input_size": 64,
    "workers": 0,
    "batch_size": 4,
    "epochs": 2,
}
# The processes that tests start have one thread, as the tests have.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def small(data, output, **changes):
    """Train a small network for a moment."""
    return train(data, output=output, **{**SMALL, **changes})


def command(*words, **changes):
    """The command line of the same."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in {**SMALL, **changes}.items()]
    return [sys.executable, "-m", "weakspot", "train", *map(str, words), *options]


def disc(colour, seed, size=64, radius=12):
    """A disc of a colour on grey noise, and its box."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 160, (size, size, 1)).repeat(3, axis=2)
    x, y = random.integers(radius, size - radius, 2)
    rows, columns = np.mgrid[:size, :size] + 0.5
    pixels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = COLOURS[colour]
    return Image.fromarray(pixels.astype(np.uint8)), (x - radius, y - radius, x + radius, y + radius)


def write_discs(folder, counts, start=0):
    """Write half of the images red and half blue into class folders, below one for each split; '' is none."""
    seeds = iter(range(start, 1_000_000))
    for split, count in counts.items():
        for i in range(count):
            colour = list(COLOURS)[i % 2]
            path = Path(folder, split, colour, f"{i:03}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            disc(colour, next(seeds))[0].save(path)
    return Path(folder)


def rows(folder):
    """What is written of each epoch, but how long it took."""
    lines = Path(folder, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def weights(folder):
    return load_file(Path(folder, "model.safetensors"))


def assert_same(run, other):
    """Two runs have the same weights to the bit, and say the same of each epoch."""
    assert rows(run) == rows(other)
    found, expected = weights(run), weights(other)
    assert found.keys() == expected.keys()
    differing = [name for name in found if not np.array_equal(found[name], expected[name])]
    assert differing == []


def iou(box, other):
    x1, y1, x2, y2 = np.maximum(box[:2], other[:2]).tolist() + np.minimum(box[2:], other[2:]).tolist()
    both = max(0, x2 - x1) * max(0, y2 - y1)
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (box, other)]
    return both / (sum(areas) - both)
