"""A small run with random weights, and the file that it is exported to."""

import numpy as np
from small_networks import built, metadata_of

import weakspot as ws
from weakspot.inference.export import export
from weakspot.models import ForegroundHead
from weakspot.models.checkpoint import write_checkpoint
from weakspot.models.run_files import MODEL_FILE

NAMES = ("cat", "dog", "owl", "none")


def random_images(count=3, size=(50, 70), seed=0):
    """Noise with a bright square somewhere."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 90, (count, *size, 3), dtype=np.uint8)
    for image in found:
        y, x = random.integers(0, 25, 2)
        image[y : y + 20, x : x + 20] += 120
    return list(found)


def run_folder(folder, method="cam", *, foreground=0, **changes):
    """A run of a network that was not trained; foreground is the channels of a head with random weights, 0 for none."""
    network = {name: changes.pop(name) for name in ("multi_label", "backbone", "width", "teacher") if name in changes}
    found = built(method, **network)
    metadata = metadata_of(found, NAMES, **{"quality": "fast", **changes})
    head = ForegroundHead(foreground).eval() if foreground else None
    write_checkpoint(folder / MODEL_FILE, found.network.state_dict(), metadata, head)
    return folder


def exported(run, file, **options):
    """A run's graph, and the run in PyTorch."""
    outcome = export(run, file, images=random_images(), **options)
    options.pop("int8", None)
    return outcome, ws.Localizer(run, backend="torch", **options)
