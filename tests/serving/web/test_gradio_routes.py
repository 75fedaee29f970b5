"""Gradio's server exposes only what the page needs."""

import asyncio
import json
import socket
import threading
from io import BytesIO
from pathlib import Path

import fastapi
import pytest
from PIL import Image

from weakspot.serving.web import mount_page
from weakspot.serving.web.gradio_routes import sanitize_event
from weakspot.serving.web.uploads import private_folder

FILE = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture
def http(visitors):
    return visitors().http


@pytest.fixture
def trap():
    """A port that must not be contacted: its number, and the list of connections."""
    connections = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.1)
    over = threading.Event()

    def listen():
        while not over.is_set():
            try:
                connections.append(listening.accept()[0].close())
            except TimeoutError:
                continue

    thread = threading.Thread(target=listen)
    thread.start()
    yield listening.getsockname()[1], connections
    over.set()
    thread.join()
    listening.close()


def test_the_routes_of_the_app_take_precedence_and_the_page_is_at_the_root(http):
    assert http.get("/v1/hello").json() == {"text": "hello"}
    assert http.get("/docs").status_code == http.get("/openapi.json").status_code == 200
    page = http.get("/")
    assert "gradio" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert http.post("/v1/nothing").status_code == 404


def test_the_page_can_be_mounted_within_an_event_loop(recorder):
    async def mounted():
        app = fastapi.FastAPI()
        mount_page(app, recorder)
        return app.routes[-1].path

    assert asyncio.run(mounted()) == ""


ALLOWED = {
    "/openapi.json",  # the app's own takes precedence
    *("/", "/config", "/config/", "/static/{path:path}", "/assets/{path:path}"),
    *("/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json"),
    *("/pwa_icon", "/gradio_api/app_id", "/gradio_api/heartbeat/{session_hash}", "/gradio_api/upload_progress"),
    *("/gradio_api/queue/data", "/gradio_api/queue/join", "/gradio_api/upload"),
}


def routes_of(app):
    """Yield method and path of every route that Gradio mounts, including those of nested routers."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or getattr(getattr(route, "app", None), "router", None)
        if getattr(route, "methods", None):
            yield from ((method, route.path) for method in sorted(route.methods))
        elif inner is not None:
            yield from routes_of(inner)


def test_every_other_route_of_gradio_is_rejected(http, page):
    mounted = [(method, path) for method, path in routes_of(page[1].routes[-1].app) if path not in ALLOWED]
    assert len(mounted) > 40
    for method, path in mounted:
        address = path.replace("{path_or_url:path}", "/etc/passwd").replace("{", "").replace("}", "")
        response = http.request(method, address, json={})
        assert (address, response.status_code) == (address, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=%2Fetc%2Fpasswd",
        "/gradio_api/file=pyproject.toml",
        "/gradio_api/file=.gradio/cached_examples/x.png",
        "/gradio_api/file=http://127.0.0.1:9/x.png",
        "/gradio_api/file=https://example.org/x.png",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/file=UP/../../etc/passwd",
        "/gradio_api/file=UP/%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=UP",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://x.hf.space/",
        "/gradio_api/info?all_endpoints=true",
        "/gradio_api/deep_link?session_hash=x",
        "/gradio_api/component_server",
        "/gradio_api/vibe-code",
        "/monitoring",
        "/monitoring/summary",
        "/?deep_link=..%2Fx",
        "/config?deep_link=x",
        "//gradio_api/info",
    ],
)
def test_a_url_that_reads_or_fetches_is_rejected(http, path):
    response = http.get(path.replace("UP", str(private_folder())))
    assert response.status_code == 404


@pytest.mark.parametrize("path", ["/assets/../../../etc/passwd", "/static/%2e%2e/%2e%2e/routes.py"])
def test_static_files_are_only_those_of_gradio(http, path):
    assert http.get(path).status_code in (403, 404)


@pytest.mark.parametrize(
    "payload",
    [
        {"path": "/etc/passwd"},
        {"path": "/etc/passwd", **FILE},
        {"path": "UP/../../etc/passwd", **FILE},
        {"path": "../../etc/passwd", **FILE},
        {"path": "pyproject.toml", **FILE},
        {"path": "file:///etc/passwd", **FILE},
        {"path": "http://127.0.0.1:PORT/x.png", **FILE},
        {"path": "HTTP://127.0.0.1:PORT/x.png", "url": "http://127.0.0.1:PORT/x.png", **FILE},
        {"path": "http://127.0.0.1:PORT/x.png", "is_stream": True, **FILE},
        {"path": None, "url": "http://127.0.0.1:PORT/x.png", **FILE},
        {"path": ["/etc/passwd"], **FILE},
        {"inner": [{"path": "/etc/passwd", **FILE}]},
    ],
)
@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_file_that_was_not_uploaded_is_not_read_or_fetched(visitors, trap, payload, position):
    visitor, port = visitors(), trap[0]
    text = json.dumps(payload).replace("PORT", str(port)).replace("UP", str(private_folder()))
    data = [None, ["cam"], "Best", 0.6]
    data[position] = json.loads(text)
    response = visitor.join(visitor.event_id("upload"), data)
    assert response.status_code == 400
    assert trap[1] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:PORT/x.png", "file:///etc/passwd", "data:image/png;base64,AAAA"])
def test_a_url_of_an_uploaded_file_is_ignored(visitors, trap, image_files, url):
    done, messages = visitors().show(image_files[0], url=url.replace("PORT", str(trap[0])))
    assert done["success"]
    assert "data:image/jpeg" in messages
    assert trap[1] == []


def test_a_url_without_a_file_is_not_an_image(visitors, trap):
    visitor = visitors()
    payload = {"url": f"http://127.0.0.1:{trap[0]}/x.png", **FILE}
    _, messages = visitor.ask(visitor.event_id("upload"), [payload, ["cam"], "Best", 0.6])
    assert "data:image/jpeg" not in messages
    assert "Traceback" not in messages
    assert trap[1] == []


def test_a_request_of_excessive_or_unknown_length_is_rejected(http):
    assert http.post("/gradio_api/queue/join", content=b"[" * 300_000).status_code == 413
    assert http.post("/gradio_api/queue/join", content=b"[" * 200_000).status_code == 400
    assert http.post("/gradio_api/queue/join", content=iter([b"{}"])).status_code == 411
    assert http.post("/gradio_api/upload", files={"files": ("a.png", b"0" * 1_200_000)}).status_code == 413
    assert http.post("/gradio_api/upload", content=iter([b"0"])).status_code == 411


def test_a_forged_state_is_ignored(visitors):
    visitor = visitors()
    forged = {"name": "x", "content": "x", "predictions": {}}
    _, messages = visitor.ask(visitor.event_id("input"), [forged, ["cam"], [0], 0.4, "All", 0.6])
    assert "ws-empty" in messages


@pytest.mark.parametrize("data", [[{"x": 1}] * 4, ["x"] * 4, [[[]]] * 4, [1e300] * 4])
def test_invalid_data_reveals_no_traceback(visitors, data, capfd):
    visitor = visitors()
    done, messages = visitor.ask(visitor.event_id("upload"), data)
    assert not any(word in messages for word in ("Traceback", ".py", str(Path.cwd()), "site-packages"))
    assert "data:image/jpeg" not in json.dumps(done)


def test_keys_of_other_routes_are_removed_from_an_event():
    event = {
        "data": [{"a": [{"url": "http://x", "is_stream": True}]}],
        "fn_index": 3,
        "session_hash": "s",
        "oauth_token": "t",
        "batched": 1,
    }
    kept = {"data": [{"a": [{}]}], "fn_index": 3, "session_hash": "s"}
    assert json.loads(sanitize_event(json.dumps(event).encode(), {3: 1})) == kept


def test_concurrent_visitors_have_their_own_images(visitors, image_files):
    first, second = visitors(), visitors()
    shown = [visitor.show(content)[1] for visitor, content in zip((first, second), image_files, strict=False)]
    controls = [None, ["cam"], [0, 1], 0.3, "All", 0.0]
    again = [visitor.ask(visitor.event_id("input", 2), controls)[1] for visitor in (first, second)]
    assert shown[0] != shown[1]
    assert again[0] != again[1]
    assert all("data:image/jpeg" in text for text in again)
    _, third = visitors().ask(first.event_id("input", 2), controls)
    assert "data:image/jpeg" not in third


def test_an_uploaded_file_has_an_unguessable_url_and_the_working_folder_stays_unchanged(visitors, image_files):
    before = set(Path.cwd().iterdir())
    visitor = visitors()
    path = visitor.upload(image_files[0])["path"]
    assert Path(path).is_relative_to(private_folder())
    assert visitor.http.get(f"/gradio_api/file={path}").content == image_files[0]
    script = visitor.upload(b"<script>alert(1)</script>", "x.html")["path"]
    assert visitor.http.get(f"/gradio_api/file={script}").headers["content-disposition"].startswith("attachment")
    assert set(Path.cwd().iterdir()) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"hello, I am text", "image", id="text"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "", id="damaged"),
    ],
)
def test_a_wrong_file_is_reported_and_the_next_one_works(visitors, image_files, content, words):
    visitor = visitors()
    done, messages = visitor.show(content)
    assert done["success"]
    assert words in messages
    assert '"msg": "log"' in messages
    assert not any(word in messages for word in ("Traceback", str(private_folder()), "site-packages"))
    assert "data:image/jpeg" in visitor.show(image_files[0])[1]


def test_an_image_of_too_many_pixels_is_rejected(visitors):
    file = BytesIO()
    Image.new("L", (1100, 1100)).save(file, "PNG")
    _, messages = visitors().show(file.getvalue())
    assert "1100 x 1100" in messages


def test_uploads_are_refused_once_the_files_of_all_visitors_fill_the_disk(visitors, monkeypatch):
    visitor = visitors()
    visitor.upload(b"x" * 100)
    monkeypatch.setattr("weakspot.serving.web.uploads._MAX_BYTES", 99)
    assert visitor.http.post("/gradio_api/upload", files={"files": ("a.png", b"x")}).status_code == 507
    monkeypatch.undo()
    visitor.upload(b"x")
