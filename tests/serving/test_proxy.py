import asyncio
import json

import pytest
from refusals import refused
from services import TIMEOUT, small_service

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from weakspot.serving.api import ServiceState, build_api
from weakspot.serving.middleware import Limits
from weakspot.serving.prometheus import PrometheusMetrics
from weakspot.serving.proxy import PublicRoot, RootPath, parse_root
from weakspot.serving.web import mount_page

PAGE = [("origin", "https://example.org")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, PublicRoot()),
        ("/weakspot", PublicRoot("/weakspot", "", "/weakspot")),
        ("/a/b-1/", PublicRoot("/a/b-1", "", "/a/b-1")),
        ("/", PublicRoot()),
        ("https://Example.org:8443/x", PublicRoot("/x", "example.org:8443", "https://example.org:8443/x")),
        ("http://example.org", PublicRoot("", "example.org", "http://example.org")),
    ],
)
def test_a_root_is_a_path_or_a_url(value, expected):
    assert parse_root(value) == expected


@pytest.mark.parametrize(
    "value",
    ["weakspot", "", "/a?b", "/a#b", "ftp://x/y", "https://", "//host/x", "/a b", "http://u@x", "http://[", "/ä"],
)
def test_any_other_root_is_refused(value):
    with refused("root-path-invalid", "--root-path", repr(value)):
        parse_root(value)


def requested(path, root="/ws"):
    """Return the path that the app gets, or the status and the place of a redirection."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["path"])

    async def send(message):
        if message["type"] == "http.response.start":
            seen.append((message["status"], dict(message["headers"])[b"location"]))

    asyncio.run(RootPath(app, root)({"type": "http", "method": "GET", "path": path, "headers": []}, None, send))
    return seen


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/ws/healthz", "/healthz"), ("/ws/", "/"), ("/healthz", "/healthz"), ("/wsx/healthz", "/wsx/healthz")],
)
def test_the_path_is_removed_if_the_proxy_passes_it_on(path, expected):
    assert requested(path) == [expected]
    assert requested(path, root="") == [path]


def test_the_page_is_in_the_folder_of_the_path():
    assert requested("/ws") == [(307, b"/ws/")]


@pytest.mark.parametrize(
    ("root", "headers", "status"),
    [
        (None, PAGE, 403),
        (None, [*PAGE, ("x-forwarded-host", "example.org")], 403),
        ("/ws", PAGE, 403),
        ("/ws", [*PAGE, ("x-forwarded-host", "example.org")], 200),
        ("https://example.org/ws", PAGE, 200),
        ("https://example.org/ws", [*PAGE, ("host", "example.org")], 200),
        ("https://example.org/ws", [("host", "other.org")], 421),
        ("https://example.org/ws", [("origin", "https://other.org"), ("x-forwarded-host", "other.org")], 403),
    ],
)
def test_pages_of_the_public_host_may_send_requests(root, headers, status, batching):
    service = small_service(batching, limits=Limits(2**20, TIMEOUT, root=parse_root(root)))
    with TestClient(service, base_url="http://127.0.0.1") as client:
        assert client.get("/healthz", headers=dict(headers)).status_code == status


def test_the_page_and_the_document_name_the_root(batching):
    app = build_api(ServiceState("birds", batching, PrometheusMetrics(lambda: 0)), root_url="/ws")
    mount_page(app, batching, root_url="/ws")
    with TestClient(RootPath(app, "/ws"), base_url="http://127.0.0.1") as client:
        assert client.get("/ws/openapi.json").json()["servers"] == [{"url": "/ws"}]
        for path in ("/ws/config", "/config"):
            assert json.loads(client.get(path).text)["root"] == "http://127.0.0.1/ws"
