"""The folder that a reader of the pages sits in: photos, data sets with boxes, lists, weights, corrected labels."""

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

from weakspot.data.synthetic import SceneSettings, scene

NAMES = ("goldfinch", "jay", "robin")  # of ImageNet, too
SIDE = 96
SPLITS = ("train", "train", "val", "test")
SINGLE = ("a.jpg", "b.jpg", "bird.jpg", "cat.jpg", "photo.jpg", "tile.jpg")


def write_folder(folder: Path) -> Path:
    """Write all but runs, which only some pages take for granted."""
    rows = _write_photos(folder / "photos", 12)
    _write_tasks(folder / "export.json", rows)
    _write_lists(folder, [f"photos/{row[0]}.jpg" for row in rows])
    for below in ("new", "tiles"):
        _write_flat(folder / below, ("1.jpg", "2.jpg"))
    _write_flat(folder, SINGLE)
    _write_birds(folder / "birds")
    shutil.copy(folder / "birds" / "annotations.csv", folder / "boxes.csv")
    _write_weights(folder)
    return folder


def write_run(folder: Path) -> None:
    """Write a run that learnt nothing, for pages that begin with one."""
    run_folder(folder)


def _write_photos(folder: Path, count: int) -> list[tuple]:
    """Write scenes as class folders, and tell each one's name, label and box."""
    rows = []
    for index in range(count):
        made = scene(index, SceneSettings(len(NAMES), size=SIDE))
        label = NAMES[index % len(NAMES)]
        path = folder / label / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(made.image).save(path)
        rows.append((f"{label}/{index}", label, made.boxes[0].tolist()))
    return rows


def _write_flat(folder: Path, names: tuple[str, ...]) -> None:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(scene(100 + index, SceneSettings(size=SIDE)).image).save(folder / name)


def _write_birds(folder: Path) -> None:
    """Class folders with boxes and splits, and in theirs/ maps of the images by somebody else."""
    rows = _write_photos(folder / "images", 12)
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
    (folder / "photos.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "photos.jsonl").write_text("".join(json.dumps({"image": name}) + "\n" for name in names))
    pq.write_table(pa.table({"image": names}), folder / "photos.parquet")


def _write_tasks(path: Path, rows: list[tuple]) -> None:
    """What Label Studio exports of the photos after a person has drawn their boxes."""
    path.write_text(json.dumps([_task(number, *row) for number, row in enumerate(rows, 1)]))


def _task(number: int, name: str, label: str, box: list[float]) -> dict:
    x1, y1, x2, y2 = (100 * side / SIDE for side in box)
    place = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "rectanglelabels": [label]}
    region = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": place}
    image = f"/data/local-files/?d=images/{name}.jpg"
    return {"id": number, "data": {"image": image}, "annotations": [{"result": [region]}]}


def _write_weights(folder: Path) -> None:
    """Weights of a reader's own ResNet for three classes, and their names."""
    model = timm.create_model("resnet18", num_classes=len(NAMES))
    save_file(model.state_dict(), folder / "mine.safetensors")
    (folder / "names.txt").write_text("\n".join(NAMES) + "\n")
