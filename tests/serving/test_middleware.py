import asyncio
from base64 import b64encode

import pytest
from services import TIMEOUT

from weakspot.serving.middleware import Limits, SecurityMiddleware
from weakspot.serving.tokens import allowed_hosts

LOCAL = [(b"host", b"127.0.0.1:8000")]


async def echo(scope, receive, send):
    """Respond with the length of the request body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


def ask(limits, *, headers=(), body=(b"",), path="/", method="POST", full=False, kind="http", hangs=False):
    """Send a request through the middleware; return status, headers, text, and the number of body parts read."""
    parts, sent = [{"type": "http.request", "body": part, "more_body": True} for part in body], []
    parts[-1]["more_body"] = hangs

    async def receive():
        if not parts:
            await asyncio.sleep(TIMEOUT)
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": method, "path": path, "headers": [*LOCAL, *headers]}
    asyncio.run(SecurityMiddleware(echo, limits, lambda: full)(scope, receive, send))
    if kind != "http":
        return sent
    start, end = sent
    return start["status"], dict(start["headers"]), end["body"].decode(), len(body) - len(parts)


OPEN = Limits(100, TIMEOUT)
SECRET = Limits(100, TIMEOUT, "s3cret")


def bearer(token):
    return [(b"authorization", b"Bearer " + token.encode("latin-1"))]


def basic(text):
    return [(b"authorization", b"Basic " + b64encode(text.encode()))]


def test_a_request_within_the_limits_passes_with_security_headers():
    status, headers, text, _ = ask(OPEN, body=[b"12345", b"67"])
    assert (status, text) == (200, "7")
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param([], 401, id="missing"),
        pytest.param(basic("me:s3cret"), 200, id="as a browser password"),
        pytest.param(basic("s3cret:other"), 401, id="as the user name"),
        pytest.param(basic("me:wrong"), 401, id="wrong password"),
        pytest.param([(b"authorization", b"Basic !!")], 401, id="not base64"),
        pytest.param([(b"authorization", b"Basic /w==")], 401, id="not text"),
        pytest.param([(b"authorization", b"Basic \xe9")], 401, id="not ASCII"),
        pytest.param([(b"authorization", b"Digest s3cret")], 401, id="another scheme"),
        pytest.param(bearer("s3cret"), 200, id="as a bearer token"),
        pytest.param(bearer("wrong"), 401, id="wrong"),
        pytest.param(bearer(""), 401, id="empty"),
    ],
)
def test_a_request_without_the_token_is_rejected(headers, status):
    found, answer, text, _ = ask(SECRET, headers=headers)
    assert found == status
    assert (b"www-authenticate" in answer) == (status == 401)
    assert status == 200 or "s3cret" not in text


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 200), ("/metrics", 401), ("/", 401)])
def test_only_health_checks_need_no_token(path, status):
    assert ask(SECRET, path=path, method="GET")[0] == status


@pytest.mark.parametrize(
    ("name", "hosts", "status"),
    [
        pytest.param(b"localhost:1", OPEN.hosts, 200, id="by name"),
        pytest.param(b"[::1]:8000", OPEN.hosts, 200, id="by IPv6 address"),
        pytest.param(b"evil.example:8000", OPEN.hosts, 421, id="a foreign name (DNS rebinding)"),
        pytest.param(b"evil.example:8000", None, 200, id="any name allowed"),
        pytest.param(b"[", OPEN.hosts, 421, id="malformed"),
        pytest.param(b"", OPEN.hosts, 421, id="empty"),
    ],
)
def test_a_local_service_accepts_only_local_host_names(name, hosts, status):
    async def run():
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b""}

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", name)]}
        await SecurityMiddleware(echo, Limits(100, TIMEOUT, hosts=hosts), lambda: False)(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(run()) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [(b"http://127.0.0.1:8000", 200), (b"http://evil.example", 403), (b"null", 403), (b"http://[", 403)],
)
def test_requests_from_pages_of_other_sites_are_rejected(origin, status):
    assert ask(OPEN, headers=[(b"origin", origin)])[0] == status


def test_a_declared_oversized_request_is_rejected_and_read_only_to_the_limit():
    status, _, text, read = ask(OPEN, headers=[(b"content-length", b"101")], body=[b"x" * 60] * 10)
    assert (status, read) == (413, 2)
    assert "request-too-large" in text


def test_an_undeclared_oversized_request_is_rejected():
    assert ask(OPEN, body=[b"x" * 60, b"x" * 40])[0] == 200
    status, _, _, read = ask(OPEN, body=[b"x" * 60, b"x" * 41, b"x"])
    assert (status, read) == (413, 2)


def test_a_body_that_does_not_arrive_is_rejected():
    status, _, text, _ = ask(Limits(100, 0.05), hangs=True)
    assert status == 408
    assert "request-timeout" in text
    assert "0.05" in text


def test_a_full_queue_rejects_only_localizations_after_reading_them():
    status, headers, _, read = ask(OPEN, path="/v1/localize", full=True, body=[b"a", b"b"])
    assert (status, headers[b"retry-after"], read) == (429, b"1", 2)
    assert ask(OPEN, path="/v1/methods", full=True)[0] == 200
    assert ask(OPEN, path="/v1/localize", method="GET", full=True)[0] == 200


@pytest.mark.parametrize(
    ("charset", "status"),
    [(b"", 200), (b"; charset=UTF-8", 200), (b"; charset=punycode", 400), (b'; charset="x"', 400)],
)
def test_slow_charsets_are_rejected(charset, status):
    assert ask(OPEN, headers=[(b"content-type", b"multipart/form-data; boundary=b" + charset)])[0] == status


def test_a_body_timeout_after_the_response_started_is_a_disconnect():
    messages = []

    async def streaming(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        messages.append((await receive())["type"])
        await send({"type": "http.response.body", "body": b""})

    async def receive_nothing():
        await asyncio.sleep(TIMEOUT)

    async def send(message):
        messages.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/news", "headers": LOCAL}
    asyncio.run(SecurityMiddleware(streaming, Limits(100, 0.05), lambda: False)(scope, receive_nothing, send))
    assert messages == ["http.response.start", "http.disconnect", "http.response.body"]


def test_web_sockets_are_rejected():
    assert ask(OPEN, kind="websocket") == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("address", "names"), [("127.0.0.1", OPEN.hosts), ("localhost", OPEN.hosts), ("0.0.0.0", None), ("10.0.0.1", None)]
)
def test_host_names_are_limited_on_loopback_addresses_only(address, names):
    assert allowed_hosts(address) == names
