"""Small folders of results, as the commands write them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = {"a.jpg": (80, 60), "b.jpg": (60, 80), "c.jpg": (40, 40)}  # width, height


def write_images(folder):
    folder.mkdir(parents=True)
    for i, (name, size) in enumerate(SIZES.items()):
        pixels = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(folder / name)


def row(image, label="cat", score=0.5, **more):
    width, height = SIZES.get(Path(image).name, (10, 10))
    told = {"image": str(image), "width": width, "height": height, "class_index": 3, "label": label, "score": score}
    box = [10.0, 20.0, 30.0, 40.0]
    return told | {"method": "cam", "threshold": 0.5, "box": box, "boxes": [box], "notes": []} | more


def write_rows(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))


def write_localized(folder, rows=None):
    """Images beside a folder of ``weakspot localize``, of which one row has each."""
    images = folder.parent / "photos"
    write_images(images)
    made = [row(images / "a.jpg", "cat", 0.9), row(images / "b.jpg", "dog", 0.2), row(images / "c.jpg", "cat", 0.6)]
    write_rows(folder / "boxes.jsonl", made if rows is None else rows(images))
    return folder


def write_picture(folder, below, image, pixels, which=""):
    """Save a picture of an image as localize names it."""
    file = folder / below / f"{Path(image).relative_to('/')}{which}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def write_data(folder):
    """Class folders with true boxes: cat/a is found with an overlap of 1, dog/b with 0."""
    for label, name in (("cat", "a.jpg"), ("dog", "b.jpg")):
        (folder / "images" / label).mkdir(parents=True)
        Image.new("RGB", SIZES[name], "grey").save(folder / "images" / label / name)
    lines = ["image_id,xmin,ymin,xmax,ymax", "cat/a,10,20,30,40", "dog/b,0,0,10,10"]
    (folder / "annotations.csv").write_text("\n".join(lines) + "\n")
    return folder


def figure(fixed, oracle, **more):
    return {
        "images": 2,
        "oracle": oracle,
        "oracle_interval": None,
        "oracle_thresholds": [0.25],
        "fixed": fixed,
        "fixed_interval": [fixed - 3, fixed + 5],
        "fixed_thresholds": [0.5],
    } | more


def write_evaluated(folder, data):
    """A folder of ``weakspot evaluate`` on :func:`write_data`."""
    write_rows(
        folder / "images.jsonl",
        [
            {"image": "cat/a", "class": "cat", "size": "small", "rank": 1, "predicted": 0, "box": [10, 20, 30, 40]}
            | {"iou": 1.0, "right": True, "mask_iou": 0.75, "problem": None},
            {"image": "dog/b", "class": "dog", "size": "small", "rank": 2, "predicted": 0, "box": [10, 20, 30, 40]}
            | {"iou": 0.0, "right": False, "mask_iou": None, "problem": None},
            {"image": "dog/z", "class": "dog", "size": "small", "rank": None, "predicted": None, "box": None}
            | {"iou": None, "right": None, "mask_iou": None, "problem": "dog/z.jpg is empty (0 bytes)."},
        ],
    )
    rows = {
        "cam": {"fixed_by": "val, 2 images", "figures": {"GT-known Loc": figure(50.0, 66.66)}},
        "full-image box": {"fixed_by": "any", "figures": {"GT-known Loc": figure(0.0, 0.0)}},
    }
    told = {"weakspot": "0.1.0", "data": str(data), "split": "test", "rows": rows, "groups": {}, "notes": ["A note."]}
    (folder / "metrics.json").write_text(json.dumps(told))
    (folder / "evaluate.toml").write_text(f"data = {json.dumps(str(data))}\nsplit = 'test'\n")
    (folder / "box-accuracy.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


def write_trained(folder):
    """A folder of ``weakspot train``."""
    write_rows(
        folder / "metrics.jsonl",
        [
            {"epoch": 1, "train_loss": 1.0, "val_loss": 0.5, "val_accuracy": 0.9, "seconds": 50.0},
            {"epoch": 2, "train_loss": 0.5, "val_loss": 0.7, "val_accuracy": 0.8, "seconds": 20.0},
        ],
    )
    (folder / "config.toml").write_text('data = "/photos"\nmethod = "acol"\nfreeze = "none"\n')
    (folder / "curves.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "train.log").write_text("epoch 1\nepoch 1 is kept, threshold 0.3\n")
    return folder
