"""Hostile requests: broken images, decompression bombs, other kinds of files, and malformed forms.

The same seed gives the same requests. Each is a complete HTTP request, for its own connection.
"""

import random
import socket
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from hostile_images import CORRUPTIONS, real_files
from hostile_images import bombs as all_bombs

BOUNDARY = "a-boundary"
PART = 'Content-Disposition: form-data; name="image"; filename="{}"\r\nContent-Type: {}\r\n\r\n'


@dataclass(frozen=True)
class Hostile:
    """A hostile request.

    Attributes:
        family: Kind of attack.
        name: Name within the family.
        request: Bytes to send.
        may_pass: Whether status 200 is a valid response.
        is_endless: Whether the body never ends, so that only a timeout ends the request.
    """

    family: str
    name: str
    request: bytes = field(repr=False)
    may_pass: bool = False
    is_endless: bool = False


def posted(body: bytes, *headers: str, kind: str | None = None, length: int | str | None = None) -> bytes:
    """Build a POST request, whose Content-Length may be wrong."""
    lines = [
        "POST /v1/localize HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Content-Type: {kind or f'multipart/form-data; boundary={BOUNDARY}'}",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def multipart(*parts: bytes) -> bytes:
    """Build a form of parts, each with its headers."""
    edge = f"--{BOUNDARY}\r\n".encode()
    return b"".join(edge + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def part(content: bytes, name: str = "image.jpg", kind: str = "image/jpeg") -> bytes:
    """Build a form part with a file."""
    return PART.format(name, kind).encode() + content


def upload(content: bytes, name: str = "image.jpg", kind: str = "image/jpeg") -> bytes:
    """Build an honest request with one file."""
    return posted(multipart(part(content, name, kind)))


def fuzzed(count: int, seed: int = 0) -> Iterator[Hostile]:
    """Yield corrupted images; some can still be decoded."""
    chance, files = random.Random(seed), list(real_files().items())
    for i in range(count):
        kind, (name, content) = list(CORRUPTIONS)[i % len(CORRUPTIONS)], chance.choice(files)
        yield Hostile(f"image, {kind}", f"{i} {name}", upload(CORRUPTIONS[kind](content, chance), name), may_pass=True)


def bombs() -> Iterator[Hostile]:
    """Yield small files that declare, or contain, thousands of megapixels."""
    for name, content in all_bombs().items():
        yield Hostile("bomb", name, upload(content, name))


def other_files() -> Iterator[Hostile]:
    """Yield files that are not images, under names of images and their own."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("image.jpg", real_files()["plain.jpg"])
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n(/etc/passwd) (r) file pop\n%%EOF\n"
    kinds = {
        "text": b"hello",
        "html": b"<!doctype html><script>alert(1)</script>",
        "zip": archive.getvalue(),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "eps": eps,
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
        "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "numpy": b"\x93NUMPY\1\0v\0{'descr': '|O'}",
        "mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(64),
        "elf": b"\x7fELF" + bytes(64),
        "zeros": bytes(10_000),
        "empty": b"",
        "newline": b"\n",
    }
    for name, content in kinds.items():
        yield Hostile("not an image", name, upload(content, f"image.{name}"))
        yield Hostile("not an image", f"{name} as JPEG", upload(content))


def forms() -> Iterator[Hostile]:
    """Yield malformed forms and bodies."""
    good, field = real_files()["plain.jpg"], 'Content-Disposition: form-data; name="{}"\r\n\r\n'
    image_text = field.format("image").encode() + b"not a file"
    many, texts = [part(good)] * 1000, [field.format("x").encode() + b"1"] * 2000
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    bodies = {
        "without a file": (multipart(field.format("top_k").encode() + b"1"), None),
        "without parts": (multipart(), None),
        "empty": (b"", None),
        "image as text": (multipart(image_text), None),
        "image as text next to a file": (multipart(part(good), image_text), None),
        "1000 files": (multipart(*many), None),
        "2000 texts": (multipart(part(good), *texts), None),
        "a text of 2 MB": (multipart(part(good), field.format("method").encode() + b"a" * 2**21), None),
        "no end": (multipart(part(good))[:-6], None),
        "only its beginning": (multipart(part(good))[:300], None),
        "another boundary": (multipart(part(good)), "multipart/form-data; boundary=other"),
        "no boundary": (multipart(part(good)), "multipart/form-data"),
        "an endless boundary": (multipart(part(good)), "multipart/form-data; boundary=" + "x" * 5000),
        "an endless header of a part": (multipart(b"X: " + b"a" * 2**20 + b"\r\n\r\n" + good), None),
        "1000 headers of a part": (multipart(b"X: a\r\n" * 1000 + b"\r\n" + good), None),
        "a part without headers": (multipart(b"\r\n" + good), None),
        "half of the file itself": (good[: len(good) // 2], "image/jpeg"),
        "the file itself without its type": (good, "application/x-www-form-urlencoded"),
        "JSON": (b'{"image": "/etc/passwd"}', "application/json"),
        "nested JSON": (b"[" * 100_000, "application/json"),
        "a URL-encoded form": (b"image=/etc/passwd", "application/x-www-form-urlencoded"),
        "multipart/mixed": (multipart(part(good)), kind.replace("form-data", "mixed")),
        "no type": (multipart(part(good)), " "),
        "noise": (random.Random(0).randbytes(5000), None),
        "an option of noise": (multipart(part(good), field.format("classes").encode() + b"\xff\0\xed\xa0\x80"), None),
        "an option of nan": (multipart(part(good), field.format("threshold").encode() + b"nan"), None),
        "an option of 5000 digits": (multipart(part(good), field.format("top_k").encode() + b"9" * 5000), None),
        "a class of 5000 digits": (multipart(part(good), field.format("classes").encode() + b"9" * 5000), None),
        "1000 classes": (multipart(part(good), *[field.format("classes").encode() + b"0"] * 999), None),
        "an option as a file": (multipart(part(good), part(b"1").replace(b'"image"', b'"top_k"')), None),
    }
    for name, (body, kind_sent) in bodies.items():
        yield Hostile("form", name, posted(body, kind=kind_sent))


def names() -> Iterator[Hostile]:
    """Yield malicious file names and charsets with a good image."""
    good = real_files()["plain.jpg"]
    for name in ("../../../../tmp/a", "/etc/passwd", "C:\\a\\b", "a" * 5000, "a\0.jpg", "\ud800.jpg", "%00", "\x1b[2J"):
        content = multipart(part(good).replace(b"image.jpg", name.encode(errors="surrogatepass")))
        yield Hostile("name", repr(name)[:20], posted(content), may_pass=True)
    surrogate = multipart(part(good).replace(b"image.jpg", b"\\ud800.jpg"))
    for charset in (
        "undefined",
        "idna",
        "punycode",
        "utf-7",
        "unicode_escape",
        "rot13",
        "base64",
        "utf-16",
        "none",
        "a" * 999,
    ):
        kind = f"multipart/form-data; boundary={BOUNDARY}; charset={charset}"
        yield Hostile("name", f"charset {charset[:20]}", posted(surrogate, kind=kind), may_pass=True)


def requests() -> Iterator[Hostile]:
    """Yield malformed or endless HTTP."""
    good = upload(real_files()["plain.jpg"])
    head, _, body = good.partition(b"\r\n\r\n")
    chunked = head.replace(f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked") + b"\r\n\r\n"
    kinds = {
        "huge header": head + b"\r\nX: " + b"a" * 200_000 + b"\r\n\r\n" + body,
        "20000 headers": head + b"\r\nX: a" * 20_000 + b"\r\n\r\n" + body,
        "a path of 200 kB": good.replace(b"/v1/localize", b"/" + b"a" * 200_000),
        "a null byte in a header": head + b"\r\nX: \0\r\n\r\n" + body,
        "two lengths": head + b"\r\nContent-Length: 1\r\n\r\n" + body,
        "length of less": posted(body, length=len(body) // 2),
        "length below zero": posted(body, length=-1),
        "length of letters": posted(body, length="abc"),
        "length of 5000 digits": posted(body, length="9" * 5000),
        "a chunk of no size": chunked + b"zz\r\n" + body,
        "a chunk below zero": chunked + b"-1\r\n" + body,
        "another host": good.replace(b"localhost", b"evil.example"),
        "a malformed host": good.replace(b"localhost", b"[::1"),
        "no host": good.replace(b"Host: localhost\r\n", b""),
        "another origin": head + b"\r\nOrigin: http://evil.example\r\n\r\n" + body,
        "a malformed origin": head + b"\r\nOrigin: http://[\r\n\r\n" + body,
        "an invalid verb": good.replace(b"POST", b"P\xd6ST"),
        "GET": good.replace(b"POST", b"GET"),
        "a path with a null byte": good.replace(b"localize", b"localize%00"),
        "a path above": good.replace(b"/v1/localize", b"/v1/../../etc/passwd"),
        "HTTP/9": good.replace(b"HTTP/1.1", b"HTTP/9.9"),
        "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500),
        "noise": random.Random(0).randbytes(5000) + b"\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
    }
    for name, request in kinds.items():
        yield Hostile("request", name, request, may_pass=name in ("HTTP/9", "20000 headers"))
    for name, request in {
        "length and chunks": head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n",
        "length of 10 GB": posted(body, length=10**10),
        "length of more": posted(body, length=len(body) + 100),
        "chunks without end": chunked + b"%x\r\n" % len(body) + body + b"\r\n",
        "a chunk without end": chunked + b"ffffff\r\n" + body,
    }.items():
        yield Hostile("request", name, request, is_endless=True)


def corpus(images: int, seed: int = 0) -> list[Hostile]:
    """List all requests, with the given number of fuzzed images."""
    rest = (*bombs(), *other_files(), *forms(), *names(), *requests())
    return [*fuzzed(images, seed), *rest]


def send(port: int, request: bytes, *, seconds: float = 300) -> bytes:
    """Send a request on its own connection; return the response, which is empty if the connection is closed."""
    response = b""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        with suppress(ConnectionError):  # the service may reject it before all is sent
            connection.sendall(request)
        while block := connection.recv(65536):
            response += block
    return response


def status_of(answer: bytes) -> int:
    """Return the status of a response; 0 if it is empty."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def leaks_internals(answer: bytes) -> bool:
    """Whether a response contains file paths or a traceback."""
    secrets = (b"Traceback", b'File "', b"site-packages", sys.prefix.encode(), str(Path.cwd()).encode())
    return any(secret in answer for secret in secrets)
