"""A small model with random weights, a server with the page, and clients that act as its script does."""

import json
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from services import TIMEOUT, png, running
from small_graphs import random_images, run_folder

import weakspot as ws
from weakspot.data.decoding import read_downscaled

# Two of them are scripts, which must not run.
NAMES = ("cat", "dog", "<img src=x onerror=window.ran=1>", "${window.ran=2}{{window.ran=3}}")
METHODS = ("cam", "gradcam", "gradcam++")


@dataclass
class RecordingLocalizer:
    """The interface of a BatchingLocalizer without threads, and a list of its calls."""

    localizer: ws.Localizer
    calls: list = field(default_factory=list)
    methods = METHODS

    @property
    def class_names(self):
        return self.localizer.class_names

    @property
    def max_pixels(self):
        return self.localizer.max_pixels

    def read_downscaled(self, content, *, height, width):
        return read_downscaled(content, height=height, width=width, max_pixels=self.max_pixels)[0]

    def localize(self, image, *, method, classes=None, top_k=1):
        self.calls.append((method, None if classes is None else tuple(classes)))
        return self.localizer.with_options(method=method)(image, classes=classes, top_k=top_k)


@pytest.fixture(scope="session")
def recorder(tmp_path_factory):
    run = run_folder(tmp_path_factory.mktemp("run"))
    return RecordingLocalizer(ws.Localizer(run, backend="torch", max_pixels=1_000_000, class_names=NAMES))


@pytest.fixture(scope="session")
def image_files():
    """Three images, 70 wide and 50 high, as PNG."""
    return [png(pixels) for pixels in random_images(3)]


@pytest.fixture(scope="session")
def page(recorder):
    """A server with an API route and the page: its URL, and the app."""
    import fastapi

    from weakspot.serving.middleware import Limits, SecurityMiddleware
    from weakspot.serving.server import url_of
    from weakspot.serving.web import mount_page

    app = fastapi.FastAPI()
    app.get("/v1/hello")(lambda: {"text": "hello"})
    mount_page(app, recorder, max_upload_mb=1)
    with running(SecurityMiddleware(app, Limits(2**22, TIMEOUT), lambda: False)) as (listener, server):
        yield url_of(listener), app
        server.force_exit = True


@dataclass(frozen=True)
class Visitor:
    """A visitor of the page, who sends what the page's script sends."""

    http: httpx.Client
    session: str

    def upload(self, content, name="image.png"):
        answer = self.http.post("/gradio_api/upload", files={"files": (name, content)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def event_id(self, kind, index=0):
        """The id of an event in the page's configuration."""
        events = [one for one in self.http.get("/config").json()["dependencies"] if one["targets"][0][1] == kind]
        return events[index]["id"]

    def join(self, event, data, **more):
        body = {"fn_index": event, "data": data, "session_hash": self.session} | more
        return self.http.post("/gradio_api/queue/join", json=body)

    def ask(self, event, data, **more):
        """Send an event; return its last message, and the text of all messages."""
        self.join(event, data, **more).raise_for_status()
        messages = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    messages.append(json.loads(line[5:]))
        return next(one for one in messages if one["msg"] == "process_completed"), json.dumps(messages)

    def show(self, content, methods=("cam",), **more):
        payload = self.upload(content) | more
        return self.ask(self.event_id("upload"), [payload, list(methods), "Best", 0.6])


@pytest.fixture
def visitors(page):
    """Creates visitors."""
    clients = []

    def visitor():
        clients.append(httpx.Client(base_url=page[0], timeout=TIMEOUT))
        return Visitor(clients[-1], f"session{np.random.default_rng().integers(2**60):x}")

    yield visitor
    for client in clients:
        client.close()
