"""Small folders to review, and a server of their page."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from services import TIMEOUT, running
from small_graphs import random_images, run_folder

from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run import localize
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.serving.middleware import Limits, SecurityMiddleware
from weakspot.serving.review.learning import Learner
from weakspot.serving.review.routes import POLICY, build_review
from weakspot.serving.review.source import ReviewSource, open_source
from weakspot.serving.review.state import ReviewState
from weakspot.serving.server import url_of

WIDTH, HEIGHT = 200, 150
BOX = [40.0, 30.0, 120.0, 90.0]
LABELS = ("cat", "dog", "owl")
# A decision as it is written.
CAT_ROW = (
    '{"image": "cat/0000.png", "status": "corrected", "objects": [{"label": "cat", "box": [5, 5, 50, 60]}], '
    '"size": [150, 200], "revision": 3, "source": "person", "time": "2026-01-31T12:00:00+00:00"}\n'
)


def write_found(folder, count=5, *, heatmaps=True):
    """Output of localize for images beside it, the first of which is the most uncertain; all boxes are BOX."""
    found, rows = folder / "found", []
    for i in range(count):
        label = LABELS[i % len(LABELS)]
        path = folder / "images" / label / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, i)
        known = {"image": str(path), "width": WIDTH, "height": HEIGHT, "class_index": i % 3, "label": label}
        known |= {"score": 0.5, "method": "cam", "threshold": 0.5, "uncertainty": round(1 - i / count, 4)}
        rows.append(known | {"box": BOX, "boxes": [BOX], "notes": []})
        if heatmaps:
            write_heatmap(found / "heatmaps" / f"{path.relative_to('/')}.png")
    found.mkdir(parents=True, exist_ok=True)
    (found / "boxes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found / "localize.toml").write_text(f"sources = ['{folder / 'images'}']\nmodel = 'missing'\nboxes = 'best'\n")
    return found


def write_image(path, seed):
    pixels = np.full((HEIGHT, WIDTH, 3), 60 + 20 * (seed % 7), np.uint8)
    pixels[30:90, 40:120] = (200, 150, 40)
    Image.fromarray(pixels).save(path)


def write_heatmap(file):
    """A hill, whose region at half of its peak is about BOX."""
    file.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    hill = np.exp(-np.log(2) * (((x - 80) / 40) ** 2 + ((y - 60) / 30) ** 2))
    Image.fromarray((255 * hill).round().astype(np.uint8)).save(file)


def write_localized_run(folder, count=6):
    """A run that is not trained, and its localizations of images in class folders."""
    run = run_folder(folder / "run", quality="plain", threshold=0.5)
    for i, image in enumerate(random_images(count)):
        path = folder / "images" / ("cat", "dog")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    options = LocalizeOptions(model=str(run), output=folder / "found", save_heatmaps=True, classes=("folder",))
    localize([str(folder / "images")], options)
    return folder / "found"


def raise_threshold(run, images, rows):
    """Stands for learning: boxes get smaller."""
    metadata = read_metadata(run)
    rewrite_metadata(run, replace(metadata, info=replace(metadata.info, threshold=0.95, class_thresholds=())))
    return (), "Smaller boxes are right."


@contextmanager
def no_heatmaps(folder):
    """A file is where the folder of the heatmaps should be."""
    heatmaps = folder / "heatmaps"
    moved = heatmaps.rename(folder / "moved")
    heatmaps.write_text("")
    yield
    heatmaps.unlink()
    moved.rename(heatmaps)


@dataclass(frozen=True)
class LiveReview:
    """A page that is served."""

    url: str
    source: ReviewSource
    state: ReviewState
    learner: Learner

    def ids(self):
        """The ids of the images by their names."""
        return {image.item.name: image.item.id for image in self.state.changed_since(-1)}

    def rows(self):
        """All rows that were written, in their order."""
        file = Path(self.source.file)
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@contextmanager
def reviewing(folder, learn=raise_threshold, stop_at=None):
    """Serve the page of a folder until the block ends."""
    source = open_source(folder)
    state = ReviewState(source, stop_at)
    learner = Learner(source, state, learn)
    app = SecurityMiddleware(build_review(source, state, learner), Limits(2**20, TIMEOUT), lambda: False, policy=POLICY)
    with running(app) as (listener, server):
        yield LiveReview(url_of(listener), source, state, learner)
        server.force_exit = True  # connections that a browser left open do not count
    learner.close()
