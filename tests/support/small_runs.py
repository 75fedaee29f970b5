"""Small training runs on images that are easy to learn."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file
from squares import Scene

from weakspot.training import train

COLORS = {"red": (230, 40, 40), "blue": (40, 40, 230)}
SMALL = {
    "backbone": "test_efficientnet",
    "weights": "none",
    "input_size": 64,
    "workers": 0,
    "batch_size": 4,
    "epochs": 2,
    "learn_from": "labels",
}
# Options with which CAM learns the discs.
LEARNING = {"epochs": 5, "batch_size": 8, "lr": 1e-3, "backbone": "test_resnet"}
# Options and images of the quickest training on a command line.
TINY_TRAINING = (
    "--backbone test_efficientnet --weights none --input-size 64 --workers 0 --batch-size 4 --epochs 1"
    " --learn-from labels"
)
TINY_SCENES = (
    Scene("red/a", (("red", (20, 10, 80, 60)),), "train"),
    Scene("red/b", (("red", (30, 10, 90, 60)),), "train"),
    Scene("green/c", (("green", (50, 30, 110, 75)),), "train"),
    Scene("green/d", (("green", (10, 20, 70, 65)),), "val"),
)
# Processes that tests start use one thread, like the tests.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def small(data, output, **options):
    """Train a small network for a moment."""
    return train(data, output=output, **{**SMALL, **options})


def command(*words, **options):
    """Return the command line that does the same as ``small``."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in {**SMALL, **options}.items()]
    return [sys.executable, "-m", "weakspot", "train", *map(str, words), *flags]


def save_each_step(file, data):
    """Write a configuration that saves a state after each step, and return the flag that uses it."""
    file.write_text(f"data = '{data}'\nsave_every = 0.0\n")
    return f"--config={file}"


def disc(color, seed, size=64, radius=12):
    """Draw a disc of a color on gray noise; return the image and the box of the disc."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 160, (size, size, 1)).repeat(3, axis=2)
    x, y = random.integers(radius, size - radius, 2)
    rows, columns = np.mgrid[:size, :size] + 0.5
    pixels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = COLORS[color]
    return Image.fromarray(pixels.astype(np.uint8)), (x - radius, y - radius, x + radius, y + radius)


def write_discs(folder, counts, start=0):
    """Write red and blue discs in turn into class folders, inside a folder for each split unless its name is empty."""
    seeds = iter(range(start, 1_000_000))
    for split, count in counts.items():
        for i in range(count):
            color = list(COLORS)[i % 2]
            path = Path(folder, split, color, f"{i:03}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            disc(color, next(seeds))[0].save(path)
    return Path(folder)


def rows(folder):
    """Return the metrics of each epoch, without its duration."""
    lines = Path(folder, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def weights(folder):
    return load_file(Path(folder, "model.safetensors"))


def assert_same(run, other):
    """Assert that two runs have equal weights, to the bit, and equal metrics."""
    assert rows(run) == rows(other)
    actual, expected = weights(run), weights(other)
    assert actual.keys() == expected.keys()
    assert [name for name in actual if not np.array_equal(actual[name], expected[name])] == []


def iou(box, other):
    x1, y1, x2, y2 = np.maximum(box[:2], other[:2]).tolist() + np.minimum(box[2:], other[2:]).tolist()
    intersection = max(0, x2 - x1) * max(0, y2 - y1)
    areas = [(corners[2] - corners[0]) * (corners[3] - corners[1]) for corners in (box, other)]
    return intersection / (sum(areas) - intersection)
