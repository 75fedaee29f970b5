"""A small model with random weights, a server with the page on it, and a client of it."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from small_graphs import photos, run_folder

import weakspot as ws

# Two of them would like to be run.
NAMES = ("cat", "dog", "<img src=x onerror=window.ran=1>", "${window.ran=2}{{window.ran=3}}")
METHODS = ("cam", "gradcam", "gradcam++")


@dataclass
class CountingFinder:
    """A localizer, and what was asked of it."""

    localizer: ws.Localizer
    asked: list = field(default_factory=list)
    methods = METHODS

    @property
    def class_names(self):
        return self.localizer.class_names

    @property
    def max_pixels(self):
        return self.localizer.max_pixels

    def localize(self, image, *, method, classes=None, top_k=1):
        self.asked.append((method, None if classes is None else tuple(classes)))
        return self.localizer.with_options(method=method)(image, classes=classes, top_k=top_k)


def encoded(pixels, kind="PNG"):
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="session")
def finder(tmp_path_factory):
    run = run_folder(tmp_path_factory.mktemp("run"))
    return CountingFinder(ws.Localizer(run, backend="torch", max_pixels=1_000_000, class_names=NAMES))


@pytest.fixture(scope="session")
def photo_files():
    """Three photos, 70 wide and 50 high, as PNG."""
    return [encoded(pixels) for pixels in photos(3)]


@pytest.fixture(scope="session")
def live(finder):
    """A server with an API route and the page on it: where it is, and the app."""
    import fastapi
    import uvicorn

    from weakspot.serving.middleware import Limits, SecurityMiddleware
    from weakspot.serving.web import mount_page

    app = fastapi.FastAPI()
    app.get("/v1/hello")(lambda: {"said": "hello"})
    mount_page(app, finder, max_upload_mb=1)
    listening = socket.create_server(("127.0.0.1", 0))
    gate = SecurityMiddleware(app, Limits(2**22, 20), lambda: False)
    server = uvicorn.Server(uvicorn.Config(gate, log_level="error", lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", app
    server.should_exit = server.force_exit = True
    thread.join(10)
    listening.close()


@dataclass(frozen=True)
class Visitor:
    """One visitor of the page, who speaks as the page's own script does."""

    http: httpx.Client
    session: str

    def upload(self, content, name="photo.png"):
        answer = self.http.post("/gradio_api/upload", files={"files": (name, content)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def number_of(self, kind, which=0):
        """The number of the event of a kind, as the page's configuration has it."""
        found = [one for one in self.http.get("/config").json()["dependencies"] if one["targets"][0][1] == kind]
        return found[which]["id"]

    def join(self, event, data, **more):
        said = {"fn_index": event, "data": data, "session_hash": self.session} | more
        return self.http.post("/gradio_api/queue/join", json=said)

    def ask(self, event, data, **more):
        """What comes back from an event: its last message and all words that were shown."""
        self.join(event, data, **more).raise_for_status()
        said = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    said.append(json.loads(line[5:]))
        return next(one for one in said if one["msg"] == "process_completed"), json.dumps(said)

    def show(self, content, methods=("cam",), **more):
        payload = self.upload(content) | more
        return self.ask(self.number_of("upload"), [payload, list(methods), "Largest", 0.6])


@pytest.fixture
def visitors(live):
    """Makes visitors."""
    clients = []

    def visitor():
        clients.append(httpx.Client(base_url=live[0], timeout=30))
        return Visitor(clients[-1], f"session{np.random.default_rng().integers(2**60):x}")

    yield visitor
    for client in clients:
        client.close()
