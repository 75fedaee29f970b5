"""A small service: a run with random weights, and all that stands around it."""

from io import BytesIO
from threading import Event

import numpy as np
from PIL import Image
from small_graphs import photos, run_folder

import weakspot as ws
from weakspot.serving.api import ServiceState, build_api
from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.middleware import Limits, SecurityMiddleware
from weakspot.serving.prometheus import PrometheusMetrics


def small_localizer(folder, **options):
    return ws.Localizer(run_folder(folder, quality="plain"), **options)


def png(photo):
    file = BytesIO()
    Image.fromarray(np.asarray(photo)).save(file, "PNG")
    return file.getvalue()


PNGS = [png(photo) for photo in photos(6)]


class Held:
    """Holds localizers' batches until they are let go."""

    def __init__(self, monkeypatch):
        self.begun, self.released, self.sizes = Event(), Event(), []
        batch = ws.Localizer.batch

        def hold(one, images, **options):
            self.sizes.append(len(images))
            self.begun.set()
            assert self.released.wait(20)
            return batch(one, images, **options)

        monkeypatch.setattr(ws.Localizer, "batch", hold)


def small_service(shared, *, limits=None, **options):
    """The application with its gate."""
    instruments = PrometheusMetrics(lambda: shared.queued)
    app = build_api(ServiceState("birds", shared, instruments, **options))
    return SecurityMiddleware(app, limits or Limits(2**20, 5.0), lambda: shared.full, instruments.request)


def shared_of(localizer, **options):
    return BatchingLocalizer(localizer, **options)
