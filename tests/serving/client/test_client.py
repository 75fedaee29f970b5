"""The client against the real service, and against none."""

import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_service import serving, small_localizer
from PIL import Image
from servers import serving as misbehaving
from small_graphs import NAMES, photos

from weakspot import Client, InputError, ModelError, WeakspotError
from weakspot.serving.client.client import RemoteLocalization
from weakspot.serving.client.results import from_dict


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(small_localizer(tmp_path_factory.mktemp("run"))) as live:
        yield live


@pytest.fixture(scope="module")
def client(live):
    with Client(live.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def photo():
    return photos()[0]


def png(pixels):
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "PIL", "array"])
def test_each_kind_of_image_is_localized_as_the_localizer_does(live, client, photo, tmp_path, kind):
    path = tmp_path / "a photo Ü.png"
    path.write_bytes(png(photo))
    given = {"path": path, "text": str(path), "bytes": png(photo), "PIL": Image.fromarray(photo), "array": photo}[kind]
    name = {"path": path.name, "text": path.name, "bytes": "image"}.get(kind, "image.png")
    assert client.localize(given).to_dict() == {**live.localizer(photo).to_dict(), "image": name}


def test_what_is_asked_for_is_what_comes(live, client, photo):
    found = client.localize(photo, classes=["owl", 0], method="layercam", threshold=0.5, boxes="all", heatmap=True)
    there = live.localizer.with_options(method="layercam", threshold=0.5, boxes="all")(photo, classes=["owl", 0])
    assert [one.label for one in found] == ["owl", "cat"]
    for one, other in zip(found, there, strict=True):
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=0.5 / 255 + 1e-6)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.005)
        np.testing.assert_allclose(one.box_scores, other.box_scores, atol=1e-6)
        assert one.heatmap.dtype == np.float32
    assert len(list(client.localize(photo, top_k=3))) == 3
    assert client.localize(photo, classes="dog").label == "dog"
    assert client.localize(photo, classes=0).class_index == 0
    assert client.localize(photo).heatmap is None


def test_the_service_says_what_it_has(live, client):
    (model,) = client.models()
    assert (model.name, model.classes, model.input_height) == ("small", NAMES, 64)
    assert next(iter(client.methods().items())) == (live.localizer.method, live.localizer.threshold)
    assert client.ready() is True


def test_many_images_are_answered_in_their_order_and_a_bad_one_costs_no_other(client, tmp_path):
    good = photos(20)
    answers = client.localize_many([b"no image", *good, tmp_path / "none.jpg", bytes(2**20)])
    assert [one.to_dict() for one in answers[1:21]] == [client.localize(one).to_dict() for one in good]
    refused = [answers[0], *answers[21:]]
    assert all(isinstance(one, InputError) and len(str(one).splitlines()) == 2 for one in refused)
    assert client.localize_many([]) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"classes": ["ow"]}, "owl", id="unknown class"),
        pytest.param({"classes": []}, "No class", id="no class"),
        pytest.param({"method": "gradcm"}, "method", id="unknown method"),
        pytest.param({"threshold": 2.0}, "threshold", id="threshold"),
        pytest.param({"top_k": 0}, "top_k", id="top_k"),
        pytest.param({"boxes": "some"}, "boxes", id="boxes"),
    ],
)
def test_a_wrong_option_is_told_in_two_lines(client, photo, options, named):
    with pytest.raises(InputError, match=named) as caught:
        client.localize(photo, **options)
    assert len(str(caught.value).splitlines()) == 2


def test_a_full_service_is_asked_again(live, photo):
    live.gate.looks_full = True
    timer = threading.Timer(0.3, lambda: setattr(live.gate, "looks_full", False))
    timer.start()
    begun = time.monotonic()
    try:
        with Client(live.url) as client:
            assert client.localize(photo).label in NAMES
    finally:
        timer.join()
    assert time.monotonic() - begun >= 1  # what Retry-After says


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param({"retries": 0}, id="of times"),
        pytest.param({"timeout": 0.5}, id="of seconds"),
    ],
)
def test_a_service_that_stays_full_is_given_up(live, photo, bounds):
    live.gate.looks_full = True
    begun = time.monotonic()
    try:
        with Client(live.url, **bounds) as client:
            with pytest.raises(WeakspotError, match=r"Too many images.*\n.*Ask again") as caught:
                client.localize(photo)
            (one,) = client.localize_many([photo])
    finally:
        live.gate.looks_full = False
    assert not isinstance(caught.value, InputError)
    assert str(one) == str(caught.value)
    assert time.monotonic() - begun < 1


def test_a_token_is_shown_and_asked_for(live, photo):
    with serving(live.localizer, token="s3cret") as guarded:
        with Client(guarded.url, token="s3cret") as client:
            assert client.localize(photo).label in NAMES
        for wrong in (None, "other"):
            with Client(guarded.url, token=wrong) as client:
                assert client.ready()
                with pytest.raises(InputError, match=r"token is missing or wrong.\nSend it"):
                    client.localize(photo)
                with pytest.raises(InputError, match="token"):
                    client.localize_many([photo] * 40)


def test_a_service_that_is_down_is_told_in_two_lines(photo):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with Client(f"http://127.0.0.1:{nobody.getsockname()[1]}") as client:
            assert client.ready() is False
            with pytest.raises(ModelError, match=r"^http://127.0.0.1:\d+ does not answer: .*\nCheck") as caught:
                client.localize(photo)
            with pytest.raises(ModelError):
                client.localize_many([photo] * 3)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("mood", ["page", "moved", "404", "dead", "torn", "203", "503", "moved to a file"])
def test_something_else_that_answers_is_told_in_two_lines(mood):
    with misbehaving({"models": b'{"models": [{}]}'}) as server, Client(server.url, retries=1, timeout=2) as client:
        server.moods += [mood] * 2
        with pytest.raises(ModelError) as caught:
            client.models()
        assert len(str(caught.value).splitlines()) == 2
        assert set(server.asked) == {"/v1/models"}  # nobody was followed elsewhere


def test_a_connection_that_breaks_is_tried_again():
    files = {"methods": b'{"methods": [{"name": "cam", "threshold": 0.2}]}'}
    with misbehaving(files) as server, Client(server.url) as client:
        server.moods += ["dead", "torn"]
        assert client.methods() == {"cam": 0.2}


def test_proxies_of_the_environment_are_not_asked(live, monkeypatch, photo):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Client(live.url) as client:
        assert client.ready()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://localhost", "http://", "http://a:b:c", None])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InputError, match="no address"):
        Client(url)


@pytest.mark.parametrize("options", [{"token": ""}, {"token": "a\nb"}, {"token": "ü"}, {"timeout": 0}, {"retries": -1}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(InputError):
        Client(**options)


def test_without_httpx_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ModelError, match=r"pip install 'weakspot\[web\]'"):
        Client()


numbers = st.floats(0, 1000).map(lambda value: round(value, 2))
chances = st.floats(0, 1).map(lambda value: round(value, 6))


@st.composite
def rows(draw, others=True):
    boxes = draw(st.lists(st.lists(numbers, min_size=4, max_size=4), max_size=3))
    row = {
        "image": draw(st.none() | st.text()),
        "width": draw(st.integers(2, 10_000)),
        "height": draw(st.integers(2, 10_000)),
        "class_index": draw(st.integers(0, 999)),
        "label": draw(st.text()),
        "score": draw(chances),
        "method": draw(st.text()),
        "threshold": draw(chances),
        "box": boxes[0] if boxes else None,
        "boxes": boxes,
        "notes": draw(st.lists(st.text(), max_size=2)),
    }
    if draw(st.booleans()):
        row |= {"uncertainty": draw(chances), "box_scores": [draw(chances) for _ in boxes]}
    if others and draw(st.booleans()):
        row["others"] = draw(st.lists(rows(others=False), min_size=1, max_size=2))
    return row


@given(rows())
def test_a_row_is_what_it_was_after_reading(row):
    found = from_dict(json.loads(json.dumps(row)))
    assert isinstance(found, RemoteLocalization)
    assert found.to_dict() == row
    assert len(list(found)) == 1 + len(row.get("others", ()))
    assert found.boxes.shape == (len(row["boxes"]), 4)


class SlowForOne(BaseHTTPRequestHandler):
    """Answers with a row, and of an image of the text SLOW nothing for a while."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if b"SLOW" in body:
            time.sleep(1.5)
            return
        row = {"image": "image", "width": 9, "height": 6, "class_index": 1, "label": "cat", "score": 0.5}
        row |= {"method": "cam", "threshold": 0.2, "box": None, "boxes": [], "notes": []}
        content = json.dumps(row).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def test_an_image_that_is_not_answered_in_time_takes_no_other_answer_with_it():
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowForOne) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}", timeout=0.5) as client:
            first, slow, last = client.localize_many([b"a", b"SLOW", b"c"])
        server.shutdown()
        thread.join()
    assert (first.label, last.label) == ("cat", "cat")
    assert isinstance(slow, WeakspotError)
    assert "no answer in 0.5 seconds" in slow.problem
