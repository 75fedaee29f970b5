"""The client with a real service, with a broken one, and without any."""

import json
import socket
import sys
from functools import partial

import httpx
import numpy as np
import pytest
from PIL import Image
from refusals import refused
from servers import serving as misbehaving
from services import PNGS, TIMEOUT, png, serving
from small_graphs import NAMES, random_images

from weakspot import Client, InputError, ModelError, WeakspotError
from weakspot.serving import schemas
from weakspot.serving.client.http import RejectedInputError, ServiceError

ROW = {"image": "image", "width": 9, "height": 6, "class_index": 1, "label": "cat", "score": 0.5, "method": "cam"}
ROW |= {"threshold": 0.2, "box": None, "boxes": [], "notes": []}


@pytest.fixture
def client(live):
    with Client(live.url, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture(scope="module")
def image():
    return random_images()[0]


@pytest.fixture
def sleeps(monkeypatch):
    """The seconds that the client would have slept."""
    sleeps = []
    monkeypatch.setattr("weakspot.serving.client.http.time.sleep", sleeps.append)
    return sleeps


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "PIL", "array"])
def test_each_kind_of_image_is_localized_as_the_localizer_does(live, client, image, tmp_path, kind):
    path = tmp_path / "an image Ü.png"
    path.write_bytes(png(image))
    sources = {"path": path, "text": str(path), "bytes": png(image), "PIL": Image.fromarray(image), "array": image}
    name = {"path": path.name, "text": path.name, "bytes": "image"}.get(kind, "image.png")
    assert client.localize(sources[kind]).to_dict() == {**live.localizer(image).to_dict(), "image": name}


def test_all_options_are_used(live, client, image):
    results = client.localize(image, classes=["owl", 0], method="layercam", threshold=0.5, boxes="all", heatmap=True)
    expected = live.localizer.with_options(method="layercam", threshold=0.5, boxes="all")(image, classes=["owl", 0])
    assert [one.label for one in results] == ["owl", "cat"]
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=0.5 / 255 + 1e-6)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.005)
        np.testing.assert_allclose(one.box_scores, other.box_scores, atol=1e-6)
        assert one.heatmap.dtype == np.float32
    assert len(list(client.localize(image, top_k=3))) == 3
    assert client.localize(image, classes="dog").label == "dog"
    assert client.localize(image, classes=0).class_index == 0
    assert client.localize(image).heatmap is None


def test_models_and_methods_are_listed(live, client):
    (model,) = client.models()
    assert (model.name, model.classes, model.input_height) == ("birds", NAMES, 64)
    assert next(iter(client.methods().items())) == (live.localizer.method, live.localizer.threshold)
    assert client.ready() is True


def test_many_images_have_results_in_their_order_and_an_error_each(client, tmp_path):
    images = random_images(20)
    results = client.localize_many([b"text", *images, tmp_path / "missing.jpg", bytes(2**20)])
    for found, image in zip(results[1:21], images, strict=True):
        row, alone = found.to_dict(), client.localize(image).to_dict()
        for name in ("box_evidence", "box_confidences"):  # sums over a map, which a batch rounds differently
            assert row.pop(name) == pytest.approx(alone.pop(name), abs=1e-3)
        assert row == alone
    errors = [results[0], *results[21:]]
    assert all(isinstance(error, InputError) for error in errors)
    assert [error.code for error in errors[1:]] == ["image-unreadable", "request-too-large"]
    assert client.localize_many([]) == []


@pytest.mark.parametrize(
    ("options", "value"),
    [
        pytest.param({"classes": ["ow"]}, "owl", id="unknown class"),
        pytest.param({"method": "gradcm"}, "method", id="unknown method"),
        pytest.param({"threshold": 2.0}, "threshold", id="threshold"),
        pytest.param({"top_k": 0}, "top_k", id="top_k"),
        pytest.param({"boxes": "some"}, "boxes", id="boxes"),
    ],
)
def test_an_option_that_the_service_rejects_is_an_input_error(client, image, options, value):
    with pytest.raises(RejectedInputError, match=value) as caught:
        client.localize(image, **options)
    assert caught.value.status == 422


def test_an_empty_list_of_classes_is_refused(client, image):
    with refused("missing-class"):
        client.localize(image, classes=[])


def test_a_full_service_is_asked_again_after_retry_after(live, client, image, sleeps, monkeypatch):
    monkeypatch.setitem(schemas._RETRY_AFTER, 429, "7")
    live.middleware.full_responses = 2
    assert client.localize(image).label in NAMES
    assert sleeps == [7.0, 7.0]


@pytest.mark.parametrize(
    ("bounds", "slept"),
    [
        pytest.param({"retries": 0}, [], id="no retry"),
        pytest.param({"retries": 3, "timeout": 10**6}, [3600.0] * 3, id="retries"),
        pytest.param({"timeout": TIMEOUT}, [], id="timeout before the next attempt"),
    ],
)
def test_a_service_that_stays_full_is_given_up(live, image, bounds, slept, sleeps, monkeypatch):
    monkeypatch.setitem(schemas._RETRY_AFTER, 429, "9999")
    live.middleware.full_responses = 100
    try:
        with Client(live.url, **bounds) as client:
            with refused("queue-full", kind=ServiceError) as caught:
                client.localize(image)
            assert sleeps == slept
            (error,) = client.localize_many([image])
    finally:
        live.middleware.full_responses = 0
    assert not isinstance(caught.value, InputError)
    assert str(error) == str(caught.value)


def test_a_token_is_sent_and_required(live, image):
    with serving(live.localizer, token="s3cret") as guarded:
        with Client(guarded.url, token="s3cret", timeout=TIMEOUT) as client:
            assert client.localize(image).label in NAMES
        for wrong in (None, "other"):
            with Client(guarded.url, token=wrong, timeout=TIMEOUT) as client:
                assert client.ready()
                with refused("token-invalid", kind=RejectedInputError):
                    client.localize(image)
                with refused("token-invalid", kind=RejectedInputError):
                    client.localize_many([image] * 40)


def test_a_service_that_is_down_is_unreachable(image):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(url, timeout=TIMEOUT) as client:
            assert client.ready() is False
            with refused("service-unreachable", url, kind=ModelError) as caught:
                client.localize(image)
            with refused("service-unreachable", url, kind=ModelError):
                client.localize_many([image] * 3)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("mood", ["page", "moved", "404", "dead", "torn", "203", "503", "moved to a file"])
def test_another_server_is_a_model_error(mood, sleeps):
    files = {"models": b'{"models": [{}]}'}
    with misbehaving(files) as server, Client(server.url, retries=1, timeout=TIMEOUT) as client:
        server.moods += [mood] * 2
        with pytest.raises(ModelError) as caught:
            client.models()
        assert caught.value.code == ("service-unreachable" if mood in ("dead", "torn") else "response-invalid")
        assert "127.0.0.1" in str(caught.value)
        assert set(server.paths) == {"/v1/models"}  # no redirect was followed


def test_a_broken_connection_is_retried(sleeps):
    files = {"methods": b'{"methods": [{"name": "cam", "threshold": 0.2}]}'}
    with misbehaving(files) as server, Client(server.url, timeout=TIMEOUT) as client:
        server.moods += ["dead", "torn"]
        assert client.methods() == {"cam": 0.2}
    assert len(sleeps) == 2


@pytest.fixture
def respond(monkeypatch):
    """Makes httpx call a function instead of the network."""

    def respond(function):
        monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=httpx.MockTransport(function)))

    return respond


def test_an_image_that_times_out_costs_no_other_result(respond):
    def handle(request):
        if b"SLOW" in request.read():
            raise httpx.ReadTimeout("slow", request=request)
        return httpx.Response(200, json=ROW)

    respond(handle)
    with Client(timeout=7) as client:
        first, slow, last = client.localize_many([b"a", b"SLOW", b"c"])
    assert (first.label, last.label) == ("cat", "cat")
    assert isinstance(slow, WeakspotError)
    assert slow.code == "service-timeout"
    assert "7" in slow.problem


def test_a_service_that_never_responds_times_out(image):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout=0.2) as client, refused("service-timeout", 0.2, kind=ServiceError):
            client.localize(PNGS[0])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "queue-full", "problem": "Full.", "hint": ""}}, "queue-full"),
        ({"error": {"problem": "Full.", "hint": "Retry."}}, "service-error"),  # weakspot 0.1.0
        ({"error": {"code": ["x"], "problem": "Full.", "hint": ""}}, "service-error"),
        ({"error": "Full."}, "response-invalid"),
        ([], "response-invalid"),
    ],
)
def test_the_code_of_the_service_is_kept(respond, body, code):
    respond(lambda request: httpx.Response(500, json=body))
    with Client() as client, pytest.raises(WeakspotError) as caught:
        client.models()
    assert caught.value.code == code


def test_proxies_of_the_environment_are_ignored(live, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Client(live.url, timeout=TIMEOUT) as client:
        assert client.ready()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://localhost", "http://", "http://a:b:c", None])
def test_an_invalid_url_is_refused(url):
    with refused("url-invalid", repr(url)):
        Client(url)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"token": ""}, "token-invalid"),
        ({"token": "a\nb"}, "token-invalid"),
        ({"token": "ü"}, "token-invalid"),
        ({"timeout": 0}, "out-of-range"),
        ({"retries": -1}, "out-of-range"),
    ],
)
def test_an_invalid_argument_is_refused(options, code):
    with refused(code):
        Client(**options)


def test_a_missing_httpx_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with refused("not-installed", "weakspot[web]", kind=ModelError):
        Client()


def test_a_row_survives_reading_and_writing(respond):
    row = ROW | {"image": None, "boxes": [[1.25, 2, 8, 6]], "box": [1.25, 2, 8, 6], "notes": ["a note"]}
    row |= {"uncertainty": 0.25, "box_scores": [0.125]}
    row["others"] = [ROW | {"label": "dog"}]
    respond(lambda request: httpx.Response(200, text=json.dumps(row)))
    with Client() as client:
        localization = client.localize(b"a")
    assert localization.to_dict() == row
    assert [one.label for one in localization] == ["cat", "dog"]
