"""Whatever request comes in: an answer below 500, or a closed connection; no traceback; others are served."""

import json
import socket

import pytest
from hostile import leaks_internals, send, status_of
from hostile_requests import ANSWERED, FORM, GET, LENGTH, REFUSED, ambiguous, get, localizing, post, unusual
from services import TIMEOUT

from weakspot.serving.web.uploads import private_folder

pytestmark = pytest.mark.usefixtures("no_traceback")

READ = {
    *("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/models", "/v1/methods"),
    *("/", "/config", "/theme.css", "/manifest.json", "/pwa_icon", "/gradio_api/app_id"),
}
STREAMS = {"/gradio_api/queue/data", "/gradio_api/upload_progress", "/gradio_api/heartbeat/x"}
SENT = {"/v1/localize", "/gradio_api/queue/join", "/gradio_api/upload"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE")
JOIN, UPLOAD = b"/gradio_api/queue/join", b"/gradio_api/upload"


def error_of(answer: bytes) -> str:
    return json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


def headers_of(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return dict(line.lower().split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", ambiguous())
def test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_answered(impatient_port, name):
    answer = send(impatient_port, ambiguous()[name])
    assert status_of(answer) in (400, 408) or answer == b""
    assert answer.count(b"HTTP/1.1 ") == bool(answer)
    assert not leaks_internals(answer)
    assert not answer or headers_of(answer)["connection"] == "close"
    assert status_of(send(impatient_port, get())) == 200


def test_a_length_next_to_chunks_is_refused_as_json_and_the_connection_closed(port):
    for body in (FORM, b"0\r\n\r\n"):
        request = localizing(LENGTH, b"Transfer-Encoding: chunked", body=body).replace(b"Connection: close\r\n", b"")
        answer = send(port, request + GET)
        assert (status_of(answer), error_of(answer)) == (400, "request-malformed")
        assert "Transfer-Encoding" in answer.decode()


@pytest.mark.parametrize("name", unusual())
def test_an_unusual_request_is_answered(impatient_port, name):
    answer = send(impatient_port, unusual()[name])
    assert status_of(answer) in (100, *ANSWERED)
    assert not leaks_internals(answer)
    assert status_of(send(impatient_port, get())) == 200


@pytest.mark.parametrize("path", sorted(READ | STREAMS | SENT))
def test_other_methods_are_answered_with_405_in_json(port, path):
    allowed = {"GET", "HEAD"} if path in READ else {"GET"} if path in STREAMS else {"POST"}
    for method in sorted({*METHODS} - allowed):
        answer = send(port, get(path, b"Content-Length: 0", method=method.encode()))
        assert status_of(answer) == 405, method
        assert headers_of(answer)["allow"] == ", ".join(sorted(allowed)).lower()
        assert method == "HEAD" or error_of(answer) == "unknown-method"


@pytest.mark.parametrize("path", sorted(READ))
def test_head_is_answered_as_get_without_the_body(port, path):
    head, whole = (send(port, get(path, method=method)) for method in (b"HEAD", b"GET"))
    assert status_of(head) == status_of(whole) == 200
    assert head.endswith(b"\r\n\r\n")
    assert headers_of(head)["content-type"] == headers_of(whole)["content-type"]


@pytest.mark.parametrize("method", METHODS)
def test_a_path_that_does_not_exist_is_404_in_json(port, method):
    answer = send(port, get("/v1/nothing", b"Content-Length: 0", method=method.encode()))
    assert status_of(answer) == 404
    assert method == "HEAD" or error_of(answer) == "path-not-found"


EVENT = {"fn_index": 0, "data": [None] * 4, "session_hash": "someone", "trigger_id": None, "event_data": None}
WRONG = {
    "fn_index": (99, -1, 10**30, "0", True, 1.5, None, [], {}, float("nan"), 12),  # 12 runs in the browser only
    "data": ([], [None], [None] * 40, None, {}, "abcd"),
    "session_hash": (None, "", 1, [], {}, "a" * 65, "../x", "\ud800", "a b"),
    "trigger_id": ("x", [], {}, 1.5, True),
    "event_data": (1, "x", [], True),
}


def joined(content: bytes) -> bytes:
    return post(JOIN, b"Content-Length: %d" % len(content), body=content)


def test_the_event_that_the_others_differ_from_is_accepted(port):
    assert status_of(send(port, joined(json.dumps(EVENT).encode()))) == 200


@pytest.mark.parametrize("key", WRONG)
def test_an_event_that_the_page_does_not_have_is_refused(port, key):
    for value in WRONG[key]:
        answer = send(port, joined(json.dumps(EVENT | {key: value}).encode()))
        assert (status_of(answer), error_of(answer)) == (400, "event-invalid"), value


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"data":' + b"[" * 100_000, b"9" * 5000])
def test_a_body_that_is_not_an_event_is_refused(port, content):
    answer = send(port, joined(content))
    assert (status_of(answer), error_of(answer)) == (400, "event-invalid")


@pytest.mark.parametrize("path", [JOIN, UPLOAD, b"/v1/localize"])
def test_a_body_that_does_not_arrive_is_408(impatient_port, path):
    kind = b"multipart/form-data; boundary=b"
    answer = send(impatient_port, post(path, b"Content-Length: 100", body=b"--b\r\n", kind=kind))
    assert status_of(answer) == 408


DISPOSITION = b"--b\r\nContent-Disposition: form-data; "
FILES = {
    "no file name": DISPOSITION + b'name="files"\r\n\r\nabc\r\n--b--\r\n',
    "no name": DISPOSITION + b'filename="x"\r\n\r\nabc\r\n--b--\r\n',
    "a folder": DISPOSITION + b'name="files"; filename=".."\r\n\r\nabc\r\n--b--\r\n',
    "a name of 70 kB": DISPOSITION + b'name="files"; filename="' + b"a" * 70_000 + b'"\r\n\r\nabc\r\n--b--\r\n',
    "a header without a value": b"--b\r\nx\r\n\r\n\r\n--b--",
    "no boundary": b"abc",
    "half a boundary": b"--",
    "a part without an end": DISPOSITION + b'name="files"; filename="x"\r\n\r\nabc',
}


@pytest.mark.parametrize("query", [b"", b"?upload_id=x", b"?upload_id=%ff"])
@pytest.mark.parametrize("name", FILES)
def test_a_malformed_upload_is_refused(port, name, query):
    body = FILES[name]
    for boundary in (b"boundary=b", b"boundary=" + b"b" * 300, b"boundary=", b"x", b"boundary=\xff"):
        kind = b"multipart/form-data; " + boundary
        answer = send(port, post(UPLOAD + query, b"Content-Length: %d" % len(body), body=body, kind=kind))
        assert status_of(answer) in REFUSED or answer.endswith(b"\r\n\r\n[]")  # no file has arrived
        assert not leaks_internals(answer)


@pytest.mark.parametrize("path", ["/gradio_api/heartbeat/x", "/healthz", "/v1/models"])
def test_a_body_that_turns_out_malformed_during_or_after_the_response_ends_the_connection(port, path):
    head = get(path, b"Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"")
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(65536)) == 200
        connection.sendall(b"zz\r\n")
        while connection.recv(65536):
            pass


def uploading(files: int, content: bytes = b"abc") -> bytes:
    """Build an upload of some files to the page."""
    part = DISPOSITION + b'name="files"; filename="x.png"\r\n\r\n' + content + b"\r\n"
    body = part * files + b"--b--\r\n"
    return post(UPLOAD, b"Content-Length: %d" % len(body), body=body, kind=b"multipart/form-data; boundary=b")


def test_an_upload_of_many_files_is_refused(port):
    before = uploaded_files()
    assert status_of(send(port, uploading(1))) == 200
    assert status_of(send(port, uploading(200))) == 400
    assert len(uploaded_files() - before) == 1


def test_an_upload_that_is_interrupted_leaves_no_file(impatient_port):
    before = uploaded_files()
    request = uploading(1, bytes(500_000))
    with socket.create_connection(("127.0.0.1", impatient_port), timeout=TIMEOUT) as connection:
        connection.sendall(request[:-100_000])  # and the connection is closed
    assert status_of(send(impatient_port, request[:-100_000])) == 408
    assert uploaded_files() == before


def uploaded_files():
    return {path for path in private_folder().rglob("*") if path.is_file()}
