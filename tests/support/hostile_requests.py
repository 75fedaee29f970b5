"""Requests that are malformed, ambiguous or unusual as HTTP, whatever their content."""

from hostile import BOUNDARY, multipart, part
from hostile_images import real_files

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWERED = range(200, 500)
REFUSED = range(400, 500)


def get(path: str | bytes = b"/healthz", *headers: bytes, method: bytes = b"GET", host: bytes = b"localhost") -> bytes:
    """Build a request without a body, after which the connection is closed."""
    path = path if isinstance(path, bytes) else path.encode()
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path: bytes, *headers: bytes, body: bytes = b"", kind: bytes = b"application/json") -> bytes:
    """Build a request with a body, and no header that states its length."""
    return get(path, b"Content-Type: " + kind, *headers, method=b"POST") + body


def localizing(*headers: bytes, body: bytes) -> bytes:
    """Build a request for localizations with a form, and no header that states its length."""
    return post(b"/v1/localize", *headers, body=body, kind=f"multipart/form-data; boundary={BOUNDARY}".encode())


def chunked(body: bytes, size: int) -> bytes:
    """Split a body into chunks of a size."""
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


CHUNKED = b"Transfer-Encoding: chunked"
FORM = multipart(part(real_files()["plain.jpg"]))
LENGTH = b"Content-Length: %d" % len(FORM)


def ambiguous() -> dict[str, bytes]:
    """List requests that servers understand differently, each with a second request inside (request smuggling)."""
    small = chunked(FORM, len(FORM))
    return {
        "length and chunks": localizing(LENGTH, CHUNKED, body=small + GET),
        "chunks and length": localizing(CHUNKED, b"Content-Length: 4", body=small + GET),
        "length, and chunks in other letters": localizing(LENGTH, b"transfer-ENCODING: Chunked", body=small + GET),
        "length, and an empty encoding": localizing(LENGTH, b"Transfer-Encoding:", body=FORM + GET),
        "length, and no encoding": localizing(LENGTH, b"Transfer-Encoding: identity", body=FORM + GET),
        "chunks twice": localizing(CHUNKED, CHUNKED, body=small + GET),
        "chunks twice in a header": localizing(CHUNKED + b", chunked", body=small + GET),
        "an encoding and chunks": localizing(b"Transfer-Encoding: gzip, chunked", body=small + GET),
        "chunks and an encoding": localizing(b"Transfer-Encoding: chunked, identity", body=small + GET),
        "an unknown encoding": localizing(b"Transfer-Encoding: xchunked", body=small + GET),
        "a vertical tab before chunks": localizing(b"Transfer-Encoding: \x0bchunked", body=small + GET),
        "a space before the colon": localizing(b"Transfer-Encoding : chunked", LENGTH, body=small + GET),
        "a header over two lines": localizing(
            LENGTH, b"X: a\r\n Transfer-Encoding: chunked\r\n\tb", b"X\r\n", body=GET
        ),
        "lengths that differ": localizing(LENGTH, b"Content-Length: 4", body=FORM + GET),
        "lengths in a list": localizing(LENGTH + b", 4", body=FORM + GET),
        "a length with a sign": localizing(b"Content-Length: +4", body=FORM + GET),
        "a length in hexadecimal": localizing(b"Content-Length: 0x4", body=FORM + GET),
        "a length with an underscore": localizing(b"Content-Length: 1_0", body=FORM + GET),
        "a length in other digits": localizing("Content-Length: \u0664".encode(), body=FORM + GET),
        "a length of 5000 digits": localizing(b"Content-Length: " + b"9" * 5000, body=FORM + GET),
        "a chunk of 5000 digits": localizing(CHUNKED, body=b"0" * 5000 + b"4\r\nabcd\r\n0\r\n\r\n"),
        "a chunk with a sign": localizing(CHUNKED, body=b"+4\r\nabcd\r\n0\r\n\r\n"),
        "a chunk in hexadecimal": localizing(CHUNKED, body=b"0x4\r\nabcd\r\n0\r\n\r\n"),
        "a chunk that is longer than it says": localizing(CHUNKED, body=b"2\r\nabcd\r\n0\r\n\r\n"),
        "a chunk of 2**64 bytes": localizing(CHUNKED, body=b"1" + b"0" * 16 + b"\r\nabcd\r\n0\r\n\r\n"),
        "a carriage return only": b"GET /healthz HTTP/1.1\rHost: localhost\r\r",
        "a carriage return in a header": get(b"/healthz", b"X: a\rContent-Length: 4"),
        "two hosts": get(b"/healthz", b"Host: evil.example"),
        "two equal hosts": get(b"/healthz", b"Host: localhost"),
        "a whole address": get(b"http://localhost/healthz"),
        "a whole address of another host": get(b"http://evil.example/healthz"),
        "an authority": get(b"localhost:80", method=b"CONNECT"),
        "an asterisk": get(b"*", method=b"OPTIONS"),
        "no leading slash": get(b"healthz"),
    }


def unusual() -> dict[str, bytes]:
    """List requests that are allowed, or nearly so."""
    return {
        "an extension of a chunk": localizing(CHUNKED, body=b"4;" + b"a" * 9000 + b"\r\nabcd\r\n0\r\n\r\n"),
        "trailers": localizing(CHUNKED, body=b"4\r\nabcd\r\n0\r\nHost: evil.example\r\nX: y\r\n\r\n"),
        "equal lengths": localizing(LENGTH, LENGTH, body=FORM),
        "a body of GET": get(b"/healthz", b"Content-Length: 4") + b"abcd",
        "a body after HEAD": get(b"/healthz", b"Content-Length: 4", method=b"HEAD") + b"abcd",
        "HTTP/1.0 in chunks": localizing(CHUNKED, body=chunked(FORM, 4096)).replace(b"HTTP/1.1", b"HTTP/1.0"),
        "HTTP/1.0 without a host": b"GET /healthz HTTP/1.0\r\n\r\n",
        "HTTP/0.9": b"GET /healthz\r\n\r\n",
        "line feeds only": get().replace(b"\r\n", b"\n"),
        "an upgrade to web sockets": get(b"/gradio_api/queue/data", b"Upgrade: websocket", b"Connection: Upgrade"),
        "an upgrade of a health check": get(b"/healthz", b"Upgrade: websocket", b"Connection: Upgrade"),
        "an upgrade to HTTP/2": get(b"/healthz", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
        "an expectation": localizing(LENGTH, b"Expect: 100-continue", body=FORM),
        "an unknown expectation": localizing(LENGTH, b"Expect: miracles", body=FORM),
        "ranges": get(b"/theme.css", b"Range: bytes=" + b"0-1," * 2000 + b"0-"),
        "a range of nonsense": get(b"/assets/x", b"Range: bytes=9-1,-,a"),
        "a date of nonsense": get(b"/theme.css", b"If-Modified-Since: \xff", b"If-None-Match: " + b"*," * 500),
        "languages and codings": get(b"/", b"Accept-Language: " + b"a;q=9," * 2000, b"Accept-Encoding: \xff"),
        "cookies": get(b"/", b"Cookie: " + b"access-token=a; " * 2000),
        "forwarded nonsense": get(b"/", b"X-Forwarded-Host: [", b"X-Forwarded-Proto: javascript", b"Forwarded: \xff"),
        "99 headers": get(b"/healthz", *[b"X-%d: a" % i for i in range(90)]),
        "101 headers": get(b"/healthz", *[b"X-%d: a" % i for i in range(101)]),
        "20000 headers": get(b"/healthz", *[b"X: a"] * 20_000),
        "a header of 200 kB": get(b"/healthz", b"X: " + b"a" * 200_000),
        "a type of nonsense": post(
            b"/v1/localize", LENGTH, body=FORM, kind=b"multipart/form-data; boundary*0=a; boundary*1"
        ),
        "a type in other letters": post(
            b"/v1/localize", LENGTH, body=FORM, kind=b"multipart/form-data; charset*=utf-7''x"
        ),
        "a type of bytes": post(b"/v1/localize", LENGTH, body=FORM, kind=b"\xff/\xfe; boundary=\xfd; charset=\xfc"),
        "a type of quotes": post(b"/v1/localize", LENGTH, body=FORM, kind=b'multipart/form-data; boundary="\\'),
        "a host with a port of letters": get(host=b"localhost:abc"),
        "a host with a user": get(host=b"evil.example@localhost"),
        "a host of bytes": get(host=b"\xff"),
        "a host of 5000 letters": get(host=b"a" * 5000),
        "no host": get().replace(b"Host: localhost\r\n", b""),
        "an origin of bytes": get(b"/healthz", b"Origin: \xff"),
        "an origin with a port of letters": get(b"/healthz", b"Origin: http://localhost:abc"),
        "a token of bytes": get(b"/metrics", b"Authorization: Basic \xff"),
        **{f"path {path[:24]!r}": get(path) for path in PATHS},
        **{
            f"localizing with {query[:24]!r}": localizing(LENGTH, body=FORM).replace(b"ize ", b"ize?" + query + b" ")
            for query in QUERIES
        },
    }


PATHS = (
    *(
        b"/%00",
        b"/%",
        b"/%zz",
        b"/%ff%fe",
        b"/%0d%0aX:%20y",
        b"/healthz%2f",
        b"/healthz%00",
        b"/%68ealthz",
        b"/healthz/.",
    ),
    *(
        b"//",
        b"//healthz",
        b"/./healthz",
        b"/..",
        b"/../healthz",
        b"/healthz/",
        b"/healthz;x",
        b"/healthz#x",
        b"/\\healthz",
    ),
    *(
        b"/v1/",
        b"/v1/localize/",
        b"/V1/MODELS",
        b"/v1/models?x=%ff",
        b"/openapi.json?x=%00",
        b"/?__theme=%00&view=\x7f",
    ),
    *(b"/assets/%2e%2e/%2e%2e/etc/passwd", b"/assets/%00", b"/assets/" + b"a" * 5000, b"/static/" + b"../" * 900),
    *(
        b"/gradio_api/file=%00",
        b"/gradio_api/file=" + b"a" * 9000,
        b"/gradio_api/file=/dev/zero",
        b"/gradio_api/file=//",
    ),
    *(b"/gradio_api/queue/data", b"/gradio_api/queue/data?session_hash=", b"/gradio_api/queue/data?session_hash=none"),
    *(b"/gradio_api/queue/data?session_hash=%00", b"/gradio_api/queue/data?session_hash=a&session_hash=%ff"),
    *(
        b"/gradio_api/heartbeat/",
        b"/gradio_api/heartbeat/..",
        b"/gradio_api/heartbeat/%ff",
        b"/gradio_api/upload_progress",
    ),
    *(b"/" + b"a" * 60_000, b"/?" + b"a=1&" * 15_000, b"/" + b"%2e%2e%2f" * 5000, "/\u2603".encode()),
)
QUERIES = (
    *(b"top_k=%00", b"top_k=" + b"9" * 9000, b"threshold=nan", b"threshold=1e999", b"threshold=%ff", b"heatmap=maybe"),
    *(
        b"classes=" + b"a" * 9000,
        b"classes=%ff",
        b"&".join([b"classes=1"] * 5000),
        b"method=%0d%0a",
        b"image=x",
        b"%00=1",
    ),
    *(b"boxes=best%0d%0a%0d%0a--" + BOUNDARY.encode() + b"--", b"=", b"&&&&", b"top_k", b"top_k=1;classes=2"),
)
