"""Refuse requests whose framing is ambiguous, or costs far more than its bytes do."""

import h11

# Browsers and clients send about twenty.
_MAX_HEADERS = 100
# Each chunk costs the parser as much as kilobytes of content: this many are free, and all others are this long, on
# average. Clients send chunks of 4 kB or more.
_FREE_CHUNKS, _CHUNK_BYTES = 1000, 512
# Content that may still arrive after the response, as clients often send all before they read it.
_MAX_UNREAD = 2**20


class StrictConnection(h11.Connection):
    """A connection that refuses more than h11 does, by its own error.

    Refused are two lengths, which another server on the way may read the other way (request smuggling); a target that is
    not a path; too many headers; a body in tiny chunks; and a body that goes on and on after its response.
    """

    _chunks = _size = _unread = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event, as h11 does; h11.RemoteProtocolError if the request is refused."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._size = self._unread = 0
            _check_request(event)
        elif isinstance(event, h11.Data):
            self._count(event)
        return event

    def _count(self, event: h11.Data) -> None:
        self._chunks += event.chunk_start
        self._size += len(event.data)
        if self._chunks > _FREE_CHUNKS + self._size / _CHUNK_BYTES:
            raise h11.RemoteProtocolError("The chunks of the request are too short.")
        if self.our_state is h11.DONE:
            self._unread += len(event.data)
            if self._unread > _MAX_UNREAD:
                raise h11.RemoteProtocolError("The request goes on after its response.")


def _check_request(request: h11.Request) -> None:
    names = [name for name, _ in request.headers]
    if len(names) > _MAX_HEADERS:
        raise h11.RemoteProtocolError(f"A request must have at most {_MAX_HEADERS} headers, got {len(names)}.")
    if b"content-length" in names and b"transfer-encoding" in names:
        raise h11.RemoteProtocolError("A request must not have both a Content-Length and a Transfer-Encoding.")
    if not request.target.startswith(b"/"):
        raise h11.RemoteProtocolError("The target of a request must be a path.")
