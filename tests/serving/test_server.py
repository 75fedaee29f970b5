import signal
import socket
import threading

import httpx
import pytest
from refusals import refused
from services import PNGS, TIMEOUT, running, small_service, wait_until

from weakspot.errors import InputError
from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.middleware import Limits
from weakspot.serving.server import Server, listen, url_of


@pytest.fixture
def connect():
    connections = []

    def connect(listener, data=b""):
        connections.append(socket.create_connection(listener.getsockname(), timeout=TIMEOUT))
        connections[-1].sendall(data)
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def localize(listener, image=PNGS[0]):
    return httpx.post(f"{url_of(listener)}/v1/localize", files={"image": image}, timeout=TIMEOUT)


HEAD = b"POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
UNFINISHED = HEAD + b"Content-Length: 1000\r\n\r\n--b\r\n"


def test_idle_connections_delay_no_other_request(batching, connect):
    with running(small_service(batching)) as (listener, _):
        idle = [connect(listener, data) for data in (b"", HEAD, UNFINISHED)]
        connect(listener, UNFINISHED).close()
        assert localize(listener).status_code == 200
        for connection in idle:
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)


def test_connections_without_headers_are_closed(batching, connect):
    with running(small_service(batching), timeout=0.2) as (listener, _):
        assert connect(listener).recv(1) == b""
        assert connect(listener, HEAD).recv(1) == b""


def test_a_body_that_does_not_arrive_is_answered(batching, connect):
    with running(small_service(batching, limits=Limits(2**20, 0.2))) as (listener, _):
        assert connect(listener, UNFINISHED).recv(1000).startswith(b"HTTP/1.1 408")


def test_a_kept_connection_has_no_header_timeout(batching, connect):
    with running(small_service(batching)) as (listener, server):
        connection = connect(listener)
        (protocol,) = wait_until(lambda: list(server.server_state.connections))
        assert protocol.expects_headers
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_until(connection, b'{"status":"ok"}').startswith(b"HTTP/1.1 200")
            assert not protocol.expects_headers


def test_huge_headers_and_other_protocols_are_rejected(batching, connect):
    with running(small_service(batching)) as (listener, _):
        for data in (b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n", b"\x16\x03\x01 hello\r\n\r\n"):
            assert connect(listener, data).recv(100).startswith(b"HTTP/1.1 400")
        assert localize(listener).status_code == 200


def test_the_server_stops_after_the_last_response_despite_open_streams(connect):
    streaming, done = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"news", "more_body": True})
        streaming.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    # Without the end of its stream, the server would wait for hours: longer than the join in running().
    with running(app, busy=lambda: not done.is_set(), timeout=10_000) as (listener, server):
        stream = connect(listener, b"GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert streaming.wait(TIMEOUT)
        address = listener.getsockname()
        server.should_exit = True
        wait_until(lambda: is_refused(address))
        read_until(stream, b"news\r\n")
        stream.setblocking(False)
        with pytest.raises(BlockingIOError):
            stream.recv(1)  # still open while a request is in progress
        done.set()


def read_until(connection, end):
    data = b""
    while not data.endswith(end):
        block = connection.recv(1000)
        assert block
        data += block
    return data


def is_refused(address):
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:  # accepted by the kernel, then reset
        pass
    return False


def test_an_address_in_use_is_refused():
    first = listen("127.0.0.1", 0)
    first.listen()
    port = first.getsockname()[1]
    assert url_of(first) == f"http://127.0.0.1:{port}"
    with refused("address-in-use", "127.0.0.1", port):
        listen("127.0.0.1", port)
    first.close()
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "port", "code", "value"),
    [
        ("no.such.host.invalid", 0, "host-not-found", "no.such.host.invalid"),
        ("127.0.0.1", 70000, "out-of-range", 70000),
        ("127.0.0.1", -1, "out-of-range", -1),
        ("a" * 300, 0, "host-not-found", "a" * 300),
    ],
)
def test_an_invalid_address_is_refused(host, port, code, value):
    with refused(code, value):
        listen(host, port)


def test_an_ipv6_address_is_in_brackets():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = listen("::1", 0)
    except InputError:
        pytest.skip("this machine has no IPv6")
    assert url_of(listener).startswith("http://[::1]:")
    listener.close()


def test_sigterm_stops_the_server_and_its_handler_is_restored():
    before = signal.getsignal(signal.SIGTERM)
    listener = listen("127.0.0.1", 0)

    async def app(scope, receive, send):
        pass

    server = Server(app, busy=lambda: False, timeout=1, on_start=lambda: signal.raise_signal(signal.SIGTERM))
    server.run_until_stopped(listener)  # returns, and does not end the test process
    assert signal.getsignal(signal.SIGTERM) is before
    assert listener.fileno() == -1


def test_ten_concurrent_clients_over_real_connections(localizer):
    batching = BatchingLocalizer(localizer, timeout=TIMEOUT)
    with running(small_service(batching), busy=lambda: batching.busy) as (listener, _):
        boxes = {}
        threads = [
            threading.Thread(target=lambda i=i: boxes.update({i: localize(listener, PNGS[i % 6]).json()["box"]}))
            for i in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert boxes == {i: localizer(PNGS[i % 6]).to_dict()["box"] for i in range(10)}
    batching.close(timeout=TIMEOUT)
