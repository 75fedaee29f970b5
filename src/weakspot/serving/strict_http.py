"""Refuse requests whose framing is ambiguous, or costs far more than its bytes do."""

import h11

# Browsers and clients send about twenty.
_MAX_HEADERS = 100
# Each chunk costs the parser as much as kilobytes of content: this many are free, and all others are this long, on
# average. Clients send chunks of 4 kB or more.
_FREE_CHUNKS, _CHUNK_BYTES = 1000, 512
# Content that may still arrive after the response: clients often send all of a file that is too large before they read
# that it is, and then use the connection again.
MAX_UNREAD = 2**25


class StrictConnection(h11.Connection):
    """A connection that refuses more than h11 does, by its own error; ``problem`` is then the reason.

    Refused are two lengths, of which another server on the way may read the other one (request smuggling); a target
    that is not a path; too many headers; a body in tiny chunks; and a body that goes on and on after its response.
    """

    problem = ""
    _chunks = _size = _unread = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event, as h11 does; h11.RemoteProtocolError if the request is refused."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._size = self._unread = 0
            self.problem = _problem_of(event)
        elif isinstance(event, h11.Data):
            self.problem = self._count(event)
        if self.problem:
            raise h11.RemoteProtocolError(self.problem)
        return event

    def _count(self, event: h11.Data) -> str:
        """Count a part of a body; return what is wrong with the body so far."""
        self._chunks += event.chunk_start
        self._size += len(event.data)
        if self._chunks > _FREE_CHUNKS + self._size / _CHUNK_BYTES:
            return "The chunks of the request are too short."
        if self.our_state is h11.DONE:
            self._unread += len(event.data)
        return "The request goes on after its response." if self._unread > MAX_UNREAD else ""


def _problem_of(request: h11.Request) -> str:
    """Return what is wrong with the head of a request; an empty string if nothing is."""
    names = [name for name, _ in request.headers]
    if len(names) > _MAX_HEADERS:
        return f"A request must have at most {_MAX_HEADERS} headers, got {len(names)}."
    if b"transfer-encoding" in names and b"content-length" in names:
        return "A request must not have both a Content-Length and a Transfer-Encoding."
    if b"transfer-encoding" in names and request.http_version < b"1.1":
        return "HTTP/1.0 has no Transfer-Encoding."
    return "" if request.target.startswith(b"/") else "The target of a request must be a path."
