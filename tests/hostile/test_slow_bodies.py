"""A body costs what its bytes cost, however it is cut; limits are counts of what the parser does, not times."""

import json
import threading

import h11
import pytest
from hostile import send, status_of
from hostile_requests import CHUNKED, FORM, LENGTH, chunked, get, localizing

from weakspot.serving.strict_http import MAX_UNREAD, StrictConnection

pytestmark = pytest.mark.usefixtures("no_traceback")
MEGABYTE = bytes(2**20)


def parsed(request: bytes, size: int = 2**16) -> tuple[int, int, str]:
    """Parse a request that arrives in pieces; return the number of events, bytes of the body, and why it is refused."""
    connection, events, length = StrictConnection(h11.SERVER), 0, 0
    for at in range(0, len(request), size):
        connection.receive_data(request[at : at + size])
        try:
            while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                events += 1
                length += len(event.data) if isinstance(event, h11.Data) else 0
        except h11.RemoteProtocolError:
            return events, length, connection.problem
    return events, length, ""


@pytest.mark.parametrize("size", [1, 2, 64, 256])
def test_a_body_in_tiny_chunks_is_refused_after_a_few_thousand(size):
    events, length, problem = parsed(localizing(CHUNKED, body=chunked(MEGABYTE, size)))
    assert "too short" in problem
    assert events <= 2100
    assert length < len(MEGABYTE)


@pytest.mark.parametrize("size", [600, 1024, 4096, 2**16, 2**20])
def test_a_body_in_chunks_of_clients_passes(size):
    assert parsed(localizing(CHUNKED, body=chunked(MEGABYTE, size)))[1:] == (len(MEGABYTE), "")


def test_a_small_body_may_come_in_tiny_chunks(port):
    assert len(FORM) > 1000
    assert parsed(localizing(CHUNKED, body=chunked(bytes(1000), 1)))[1:] == (1000, "")
    assert status_of(send(port, localizing(CHUNKED, body=chunked(FORM, 8)))) in (200, 400)
    assert status_of(send(port, localizing(CHUNKED, body=chunked(FORM, 1024)))) == 200


def test_a_chunk_that_arrives_in_pieces_is_one():
    assert parsed(localizing(CHUNKED, body=chunked(bytes(20_000), 20_000)), size=1)[1:] == (20_000, "")


def test_clients_of_tiny_chunks_are_told_so_while_others_are_served(port):
    answers = []
    request = localizing(CHUNKED, body=chunked(MEGABYTE, 1))
    threads = [threading.Thread(target=lambda: answers.append(send(port, request))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert status_of(send(port, get())) == 200
    assert status_of(send(port, localizing(LENGTH, body=FORM))) == 200
    for thread in threads:
        thread.join()
    told = [json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] for answer in answers]
    assert told == ["request-malformed"] * 4


def test_the_connection_of_a_file_that_is_too_large_can_be_used_again():
    connection = StrictConnection(h11.SERVER)
    connection.receive_data(localizing(b"Content-Length: 3000000", body=b"").replace(b"Connection: close\r\n", b""))
    connection.next_event()
    for event in (h11.Response(status_code=413, headers=[("Content-Length", "0")]), h11.EndOfMessage()):
        connection.send(event)
    for _ in range(3):
        connection.receive_data(bytes(1_000_000))
        assert isinstance(connection.next_event(), h11.Data)
    assert isinstance(connection.next_event(), h11.EndOfMessage)
    connection.start_next_cycle()
    connection.receive_data(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.next_event().target == b"/healthz"


def test_a_body_that_goes_on_after_its_response_is_cut_off():
    connection = StrictConnection(h11.SERVER)
    connection.receive_data(localizing(b"Content-Length: 1000000000", body=b"").replace(b"Connection: close\r\n", b""))
    assert isinstance(connection.next_event(), h11.Request)
    for event in (h11.Response(status_code=200, headers=[("Content-Length", "0")]), h11.EndOfMessage()):
        connection.send(event)
    for _ in range(MAX_UNREAD // 2**16):
        connection.receive_data(bytes(2**16))
        assert len(connection.next_event().data) == 2**16
    connection.receive_data(b"1")
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()
