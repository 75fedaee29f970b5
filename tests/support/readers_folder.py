"""The working folder of a reader of the pages: images, data sets with boxes, lists, weights, corrected labels."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import timm
from PIL import Image
from safetensors.torch import save_file
from small_graphs import run_folder

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import REVIEW, ReviewRow, append_review
from weakspot.data.synthetic import SceneSettings, scene

NAMES = ("goldfinch", "jay", "robin")  # of ImageNet, too
SIDE = 96
SPLITS = ("train", "train", "val", "test")
SINGLE = ("a.jpg", "b.jpg", "bird.jpg", "cat.jpg", "image.jpg", "tile.jpg")


def write_folder(folder: Path) -> Path:
    """Write everything except runs, which only some pages expect."""
    rows = _write_class_folders(folder / "images", 12)
    _write_tasks(folder / "export.json", rows)
    _write_review(folder / "review", rows)
    _write_lists(folder, [f"images/{row[0]}.jpg" for row in rows])
    for below in ("new", "tiles"):
        _write_flat(folder / below, ("1.jpg", "2.jpg"))
    _write_flat(folder, SINGLE)
    _write_flat(folder / "large", ("1.jpg",), side=160)
    _write_parts(folder / "parts", "good", ("pit", "scratch"))
    _write_parts(folder / "crops", "background", ("robin",))
    _write_scans(folder / "scans")
    _write_birds(folder / "birds")
    shutil.copytree(folder / "images", folder / "demo" / "scenes" / "images")
    _write_weights(folder)
    return folder


def write_run(folder: Path) -> None:
    """Write an untrained run, for pages that begin with one."""
    run_folder(folder)


def _write_class_folders(folder: Path, count: int) -> list[tuple]:
    """Write scenes as class folders, and return the name, label and box of each."""
    rows = []
    for index in range(count):
        generated = scene(index, SceneSettings(len(NAMES), size=SIDE))
        label = NAMES[index % len(NAMES)]
        path = folder / label / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generated.image).save(path)
        rows.append((f"{label}/{index}", label, generated.boxes[0].tolist()))
    return rows


def _write_flat(folder: Path, names: tuple[str, ...], side: int = SIDE) -> None:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(scene(100 + index, SceneSettings(size=side)).image).save(folder / name)


def _write_parts(folder: Path, normal: str, defects: tuple[str, ...]) -> None:
    """Write class folders of textures without and with a dark spot, and masks of the first defect."""
    for kind, label in enumerate((normal, *defects)):
        (folder / label).mkdir(parents=True)
        for index in range(8):
            image, mask = texture(100 * kind + index, width=3 * kind)
            Image.fromarray(image).save(folder / label / f"{index}.png")
            if label == defects[0]:
                (folder / "masks" / label).mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(folder / "masks" / label / f"{index}.png")


def texture(seed: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a dark spot of ``width`` x 9 pixels, and the mask of the spot."""
    random = np.random.default_rng(seed)
    image = random.normal(150, 10, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    top, left = random.integers(8, SIDE - 20, 2)
    mask[top : top + 9, left : left + width] = 255
    image[mask > 0] = 20
    return np.stack([image] * 3, axis=2), mask


def _write_scans(folder: Path) -> None:
    """Write images with and without a spot, two of each patient, and a CSV file of labels."""
    folder.mkdir()
    rows = ["image,label,group"]
    for index in range(16):
        label = ("normal", "lesion")[index % 2]
        Image.fromarray(texture(index, width=8 * (index % 2))[0]).save(folder / f"{index}.png")
        rows.append(f"{index}.png,{label},patient-{index // 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def _write_birds(folder: Path) -> None:
    """Write class folders with boxes and splits, and score maps of another program in theirs/."""
    rows = _write_class_folders(folder / "images", 12)
    _write_csv(folder / "annotations.csv", ("image_id", "xmin", "ymin", "xmax", "ymax"), [(n, *b) for n, _, b in rows])
    splits = [(name, SPLITS[index // len(NAMES)]) for index, (name, *_) in enumerate(rows)]
    _write_csv(folder / "splits.csv", ("image_id", "split"), splits)
    for name, *_ in rows:
        path = folder.parent / "theirs" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.linspace(0, 1, 224 * 224, dtype=np.float32).reshape(224, 224))


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _write_lists(folder: Path, names: list[str]) -> None:
    (folder / "images.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "images.jsonl").write_text("".join(json.dumps({"image": name}) + "\n" for name in names))
    pq.write_table(pa.table({"image": names}), folder / "images.parquet")


def _write_review(folder: Path, rows: list[tuple]) -> None:
    """Write what `weakspot review RUN images/` leaves: the predictions, and decisions on some of the images."""
    folder.mkdir()
    (folder / "localize.toml").write_text('sources = ["images"]\n')
    found = [_localized(f"images/{name}.jpg", label, box) for name, label, box in rows]
    (folder / "boxes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    for name, label, box in rows[:9]:
        objects = (ObjectAnnotation(label, tuple(box)),)
        append_review(folder / REVIEW, ReviewRow(f"{name}.jpg", "corrected", objects, (SIDE, SIDE)))


def _localized(image: str, label: str, box: list[float]) -> dict:
    known = {"image": image, "width": SIDE, "height": SIDE, "class_index": NAMES.index(label), "label": label}
    return known | {"score": 0.5, "method": "cam", "threshold": 0.5, "box": box, "boxes": [box], "notes": []}


def _write_tasks(path: Path, rows: list[tuple]) -> None:
    """Write what Label Studio exports after a person has drawn the boxes."""
    path.write_text(json.dumps([_task(number, *row) for number, row in enumerate(rows, 1)]))


def _task(number: int, name: str, label: str, box: list[float]) -> dict:
    x1, y1, x2, y2 = (100 * side / SIDE for side in box)
    place = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "rectanglelabels": [label]}
    region = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": place}
    image = f"/data/local-files/?d=images/{name}.jpg"
    return {"id": number, "data": {"image": image}, "annotations": [{"result": [region]}]}


def _write_weights(folder: Path) -> None:
    """Write weights of a ResNet for three classes, and their names."""
    model = timm.create_model("resnet18", num_classes=len(NAMES))
    save_file(model.state_dict(), folder / "mine.safetensors")
    (folder / "names.txt").write_text("\n".join(NAMES) + "\n")
