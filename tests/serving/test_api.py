import asyncio
import json
import threading
import time
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from services import PNGS, Held, shared_of, small_service

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient


@pytest.fixture
def client(shared):
    with TestClient(small_service(shared, max_images=4), base_url="http://127.0.0.1") as found:
        yield found


def upload(*images, name="photo.png"):
    return [("image", (name, image, "image/png")) for image in images]


def post(client, *images, **options):
    return client.post("/v1/localize", files=upload(*images), data=options)


def test_one_image_is_answered_as_to_json_has_it(client, localizer):
    answer = post(client, PNGS[0])
    assert answer.status_code == 200
    assert answer.json() == json.loads(localizer(PNGS[0]).to_json()) | {"image": "photo.png"}


def test_all_options_are_heeded(client, localizer):
    options = {"method": "layercam", "classes": ["owl", "0"], "threshold": 0.6, "boxes": "all"}
    row = post(client, PNGS[1], **options).json()
    alone = localizer.with_options(method="layercam", threshold=0.6, boxes="all")(PNGS[1], classes=["owl", 0])
    expected = alone.to_dict()
    assert [one["label"] for one in (row, *row["others"])] == ["owl", "cat"]
    assert row["boxes"] == expected["boxes"]
    assert row["box_scores"] == pytest.approx(expected["box_scores"], abs=1e-5)
    assert (row["method"], row["threshold"], row["others"][0]["image"]) == ("layercam", 0.6, "photo.png")
    assert len(post(client, PNGS[1], top_k=3).json()["others"]) == 2


def test_a_heatmap_comes_as_a_png(client, localizer):
    row = post(client, PNGS[2], heatmap="true", top_k=2).json()
    for part, found in zip((row, *row["others"]), localizer(PNGS[2], top_k=2), strict=True):
        heatmap = np.asarray(Image.open(BytesIO(b64decode(part["heatmap_png"])))) / 255
        np.testing.assert_allclose(heatmap, found.heatmap, atol=0.51 / 255 + 1e-5)
    assert "heatmap_png" not in post(client, PNGS[2]).json()


def test_several_images_are_answered_in_their_order_each_for_itself(client, localizer):
    answer = post(client, PNGS[3], b"no image", PNGS[4])
    first, second, third = answer.json()["results"]
    assert answer.status_code == 200
    assert first["box"] == localizer(PNGS[3]).to_dict()["box"]
    assert second == {
        "error": {
            "problem": "The image is not an image that can be read.",
            "hint": "Give a JPEG, PNG, WebP, TIFF, BMP or GIF.",
        }
    }
    assert third["box"] == localizer(PNGS[4]).to_dict()["box"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "method: Input should be 'cam'"),
        ({"method": "scorecam"}, "method: Input should be 'cam'"),  # not from one forward pass
        ({"classes": "zebra"}, "no class 'zebra'"),
        ({"classes": "99"}, "99 is out of range"),
        ({"top_k": 0}, "top_k: Input should be greater"),
        ({"top_k": 10**9}, "top_k: Input should be less"),
        ({"threshold": 0}, "threshold: Input should be greater than 0"),
        ({"threshold": "nan"}, "threshold: Input should be"),
        ({"boxes": "none"}, "boxes: Input should be 'largest'"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(client, options, words):
    answer = post(client, PNGS[0], **options)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["problem"]
    assert answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param({"files": upload(b"")}, 422, id="an empty file"),
        pytest.param({"data": {"image": "/etc/passwd"}}, 422, id="a path"),
        pytest.param({"data": {"image": "http://127.0.0.1/cat.jpg"}}, 422, id="an address"),
        pytest.param({"json": {"image": "cat.jpg"}}, 422, id="JSON"),
        pytest.param({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, id="no boundary"),
        pytest.param({"files": upload(*PNGS[:5])}, 413, id="too many images"),
        pytest.param({"files": upload(b"x" * 2**20)}, 413, id="too large"),
    ],
)
def test_a_request_without_a_good_image_is_refused(client, request_, status):
    answer = client.post("/v1/localize", **request_)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"problem", "hint"}


def test_an_image_over_the_limit_of_pixels_is_refused_before_it_is_decoded(tmp_path, localizer, monkeypatch):
    monkeypatch.setattr(localizer._pipeline, "max_pixels", 100)
    shared = shared_of(localizer)
    with TestClient(small_service(shared), base_url="http://127.0.0.1") as client:
        assert "over the limit of 100" in post(client, PNGS[0]).json()["error"]["problem"]
    shared.close(timeout=10)


def test_images_and_classes_are_limited_together(client):
    assert post(client, PNGS[0], top_k=100).status_code == 200
    answer = post(client, *PNGS[:3], top_k=34)
    assert answer.status_code == 413
    assert "102 maps" in answer.json()["error"]["problem"]
    assert post(client, *PNGS[:3], top_k=33).status_code == 200


def test_names_of_files_are_only_names(client):
    answer = client.post("/v1/localize", files=upload(PNGS[0], name="../../etc/passwd<script>"))
    assert answer.json()["image"] == "../../etc/passwd<script>"  # echoed as JSON, and never opened
    assert answer.headers["content-type"] == "application/json"


def test_what_is_served_is_told(client, localizer):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["method"], model["classes"]) == ("birds", "cam", ["cat", "dog", "owl", "none"])
    assert model["input_height"] == localizer.preprocessing.height
    methods = client.get("/v1/methods").json()["methods"]
    assert [method["name"] for method in methods] == list(localizer.single_pass_methods)
    assert methods[0] == {"name": "cam", "threshold": 0.35}
    for method in methods:
        assert post(client, PNGS[0], method=method["name"]).json()["threshold"] == method["threshold"]


def test_the_document_describes_it_and_loads_nothing(client):
    document = client.get("/openapi.json").json()
    assert document["paths"]["/v1/localize"]["post"]["responses"].keys() >= {"200", "401", "413", "422", "429", "503"}
    assert "example" in document["components"]["schemas"]["LocalizationAnswer"]
    assert client.get("/docs").status_code == 404


def test_counters_count(client):
    post(client, PNGS[0])
    post(client, b"no image")
    post(client, PNGS[0], method="magic")
    lines = client.get("/metrics").text.splitlines()
    assert 'weakspot_requests_total{status="200"} 1.0' in lines
    assert 'weakspot_requests_total{status="422"} 2.0' in lines
    assert 'weakspot_images_total{outcome="localized"} 1.0' in lines
    assert 'weakspot_images_total{outcome="refused"} 1.0' in lines
    assert "weakspot_waiting_images 0.0" in lines
    assert "weakspot_batch_images_count 0.0" in lines or "weakspot_batch_images_sum 2.0" in lines


def test_a_service_that_stops_is_alive_but_not_ready(client, shared):
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    shared.close(timeout=10)
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 503)
    answer = post(client, PNGS[0])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_over_the_queue_and_over_the_time_it_is_said(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer, waiting=2, timeout=0.3)
    with TestClient(small_service(shared), base_url="http://127.0.0.1") as client:
        answer = post(client, *PNGS[:3])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        answer = post(client, PNGS[0])
        assert answer.status_code == 503
        assert "longer than 0.3 seconds" in answer.json()["error"]["problem"]
    held.released.set()
    shared.close(timeout=10)


def test_what_breaks_inside_says_nothing_of_the_inside(shared, localizer, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("/home/secret/model.py broke")

    monkeypatch.setattr(type(localizer), "batch", fail)
    client = TestClient(small_service(shared), base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = post(client, PNGS[0])
    assert answer.status_code == 500
    assert answer.json() == {"error": {"problem": "The service could not do that.", "hint": "Its own log says more."}}


def test_of_a_client_that_has_gone_nothing_is_computed(localizer, monkeypatch):
    held = Held(monkeypatch)
    shared = shared_of(localizer)
    running = [shared.submit([PNGS[0]], shared_way(i))[0] for i, _ in enumerate(shared._threads)]
    while shared.queued:
        time.sleep(0.01)
    boundary = b"--b\r\n"
    part = b'content-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
    messages = [{"type": "http.request", "body": boundary + part + PNGS[0] + b"\r\n--b--\r\n", "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        while not shared.queued:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
    scope = {"type": "http", "method": "POST", "path": "/v1/localize", "headers": headers, "query_string": b""}
    asyncio.run(small_service(shared)(scope | {"http_version": "1.1", "scheme": "http"}, receive, send))
    held.released.set()
    assert shared.close(timeout=10)
    assert all(one.result(0) for one in running)
    assert sum(held.sizes) == len(running)


def shared_way(i):
    from weakspot.serving.batching import RequestOptions

    return RequestOptions("cam", top_k=1 + i)


def test_many_at_once_get_what_is_theirs(client, localizer):
    expected = [localizer(image).to_dict()["box"] for image in PNGS]
    wrong = []

    def ask(i):
        for j in range(i, i + 6):
            if post(client, PNGS[j % 6]).json()["box"] != expected[j % 6]:
                wrong.append(j)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
