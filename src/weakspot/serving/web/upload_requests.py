"""Receive an upload as a whole before Gradio reads it.

Gradio writes what arrives to files that it deletes only if the upload ends, so that interrupted ones would fill the
disk; and it opens a file for each of a thousand parts.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile

from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

# The page sends one file at a time.
_MAX_PARTS = 8  # with the end of the form, and some room
_IN_MEMORY = 2**20  # bytes; more are in a file without a name
_PIECE = 2**16


@asynccontextmanager
async def whole_upload(receive: Receive, headers: Mapping[bytes, bytes]) -> AsyncIterator[Receive]:
    """Receive the body of an upload, and yield a receive function that hands it on.

    Raises:
        HTTPException: 400 if it has many parts.
        ClientDisconnect: If the client ends the connection before all has arrived.
    """
    _, parameters = parse_options_header(headers.get(b"content-type", b""))
    delimiter = b"--" + parameters.get(b"boundary", b"")
    with SpooledTemporaryFile(_IN_MEMORY) as body:
        parts, last, more = 0, b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            content = message.get("body", b"")
            last += content
            parts += last.count(delimiter)
            if parts > _MAX_PARTS:
                raise HTTPException(400, "An upload must have one file.")
            last = last[max(0, len(last) - len(delimiter) + 1) :]
            more = message.get("more_body", False)
            body.write(content)
        body.seek(0)

        async def replay() -> Message:
            content = body.read(_PIECE)
            return {"type": "http.request", "body": content, "more_body": bool(content)}

        yield replay
