"""Where a reverse proxy offers the service: below a path, and under another host name."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from weakspot.errors import InputError


@dataclass(frozen=True)
class PublicRoot:
    """The root of the service for its visitors.

    Attributes:
        path: Path, such as ``/weakspot``; empty for the root of the host.
        host: Host name, with its port if it has one; empty if it is that of the request.
        url: The path, or the whole URL if the host is known.
    """

    path: str = ""
    host: str = ""
    url: str = ""


def parse_root(value: str | None) -> PublicRoot:
    """Parse a path or URL; InputError ``root-path-invalid`` for anything else.

    Example:
        >>> parse_root("https://example.org/weakspot/")
        PublicRoot(path='/weakspot', host='example.org', url='https://example.org/weakspot')
        >>> parse_root("/weakspot").path
        '/weakspot'
    """
    if value is None:
        return PublicRoot()
    try:
        parts = urlsplit(value)
        host, name = parts.netloc.lower(), parts.hostname
    except ValueError:  # an unclosed bracket
        parts, host, name = urlsplit(""), "", None
    path = parts.path.rstrip("/")
    is_url = parts.scheme in ("http", "https") and bool(name) and "@" not in host
    is_path = not parts.scheme and not host and value.startswith("/")
    if not (is_url or is_path) or parts.query or parts.fragment or not re.fullmatch(r"(/[\w.~-]+)*", path, re.ASCII):
        problem = f"--root-path must be a path such as /weakspot, or a URL, got {value!r}."
        raise InputError("root-path-invalid", problem)
    return PublicRoot(path, host, f"{parts.scheme}://{host}{path}" if is_url else path)


class RootPath:
    """ASGI middleware that removes the path of the root, for proxies that pass it on."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remove the path from that of a request, if it starts with it."""
        path = scope.get("path", "")
        if self._path and path == self._path and scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            await RedirectResponse(f"{path}/")(scope, receive, send)  # links of the page are relative
            return
        if self._path and path.startswith(f"{self._path}/"):
            path = path.removeprefix(self._path)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)
