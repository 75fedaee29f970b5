import signal
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from services import PNGS, shared_of, small_service

from weakspot.errors import InputError
from weakspot.serving.middleware import Limits
from weakspot.serving.server import Server, listen, url_of


@contextmanager
def running(app, *, busy=lambda: False, timeout=5.0):
    """A server in a thread, on a port of its own."""
    listening, started = listen("127.0.0.1", 0), threading.Event()
    server = Server(app, busy=busy, timeout=timeout, on_start=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield listening, server
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def connect():
    opened = []

    def connected(listening, sent=b""):
        opened.append(socket.create_connection(listening.getsockname(), timeout=10))
        opened[-1].sendall(sent)
        return opened[-1]

    yield connected
    for one in opened:
        one.close()


def localize(listening, image=PNGS[0]):
    return httpx.post(f"{url_of(listening)}/v1/localize", files={"image": image}, timeout=20)


HEAD = b"POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"


def test_those_who_never_ask_are_cut_and_cost_nobody_else(shared, connect):
    app = small_service(shared, limits=Limits(2**20, 0.5))
    with running(app, timeout=0.5) as (listening, _):
        silent = connect(listening)
        slow_headers = connect(listening, HEAD)
        slow_body = connect(listening, HEAD + b"Content-Length: 1000\r\n\r\n--b\r\n")
        torn = connect(listening, HEAD + b"Content-Length: 1000\r\n\r\n--b\r\n")
        torn.close()
        begun = time.monotonic()
        assert localize(listening).status_code == 200
        answered = time.monotonic() - begun
        assert slow_body.recv(1000).startswith(b"HTTP/1.1 408")
        assert silent.recv(1000) == b""
        assert slow_headers.recv(1000) == b""
        assert answered < 5
        second = httpx.Client(base_url=url_of(listening))
        assert second.get("/healthz").status_code == 200
        time.sleep(0.7)  # a connection that is kept for the next request is not cut
        assert second.get("/healthz").status_code == 200
        second.close()


def test_huge_headers_and_what_is_no_http_are_refused(shared, connect):
    with running(small_service(shared)) as (listening, _):
        for sent in (b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n", b"\x16\x03\x01 hello\r\n\r\n"):
            assert connect(listening, sent).recv(100).startswith(b"HTTP/1.1 400")
        assert localize(listening).status_code == 200


def test_it_goes_when_all_are_answered_though_others_hold_on(shared, connect):
    asked, answered = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"news", "more_body": True})
        asked.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    begun = time.monotonic()
    with running(app, busy=lambda: not answered.is_set(), timeout=30) as (listening, server):
        page = connect(listening, b"GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked.wait(10)
        address = listening.getsockname()
        server.should_exit = True
        time.sleep(0.5)
        page.setblocking(False)
        assert page.recv(1000).endswith(b"news\r\n")
        with pytest.raises(BlockingIOError):
            page.recv(1)  # still there, while somebody is to be answered
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address)  # and nobody new comes in
        answered.set()
    assert time.monotonic() - begun < 15


def test_an_address_is_taken_before_a_model_is_loaded():
    first = listen("127.0.0.1", 0)
    first.listen()
    port = first.getsockname()[1]
    assert url_of(first) == f"http://127.0.0.1:{port}"
    with pytest.raises(InputError, match=rf"127.0.0.1 port {port} cannot be listened on: .*\nGive another --port"):
        listen("127.0.0.1", port)
    first.close()
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("no.such.host.invalid", 0, "no address"),
        ("127.0.0.1", 70000, "no port 70000"),
        ("127.0.0.1", -1, "no port -1"),
        ("a" * 300, 0, "no addr"),
    ],
)
def test_an_address_that_is_none_is_refused(host, port, words):
    with pytest.raises(InputError, match=words):
        listen(host, port)


def test_the_newer_address_of_this_machine_is_written_as_browsers_take_it():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listening = listen("::1", 0)
    except InputError:
        pytest.skip("this machine has no IPv6")
    assert url_of(listening).startswith("http://[::1]:")
    listening.close()


def test_sigterm_is_handled_by_the_server_alone_and_given_back(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    listening = listen("127.0.0.1", 0)

    async def app(scope, receive, send):
        pass

    server = Server(app, busy=lambda: False, timeout=1, on_start=lambda: signal.raise_signal(signal.SIGTERM))
    server.run_until_stopped(listening)  # returns: the test run itself is not ended
    assert signal.getsignal(signal.SIGTERM) is before
    assert listening.fileno() == -1


def test_ten_clients_at_once_over_real_connections(localizer):
    shared = shared_of(localizer)
    with running(small_service(shared), busy=lambda: shared.busy) as (listening, _):
        found = {}
        threads = [
            threading.Thread(target=lambda i=i: found.update({i: localize(listening, PNGS[i % 6]).json()["box"]}))
            for i in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {i: localizer(PNGS[i % 6]).to_dict()["box"] for i in range(10)}
    shared.close(timeout=10)
