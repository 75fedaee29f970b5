import asyncio
import json
import threading
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from services import PNGS, TIMEOUT, BlockedBatches, small_service, wait_until

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from weakspot.serving.batching import BatchingLocalizer, RequestOptions


@pytest.fixture
def client(batching):
    with TestClient(small_service(batching, max_images=4), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def blocked(monkeypatch):
    blocked = BlockedBatches(monkeypatch)
    yield blocked
    blocked.released.set()


def upload(*images, name="image.png"):
    return [("image", (name, image, "image/png")) for image in images]


def post(client, *images, **options):
    return client.post("/v1/localize", files=upload(*images), data=options)


def test_one_image_has_the_row_of_to_json(client, localizer):
    response = post(client, PNGS[0])
    assert response.status_code == 200
    assert response.json() == json.loads(localizer(PNGS[0]).to_json()) | {"image": "image.png"}


def test_all_options_are_used(client, localizer):
    options = {"method": "layercam", "classes": ["owl", "0"], "threshold": 0.6, "boxes": "all"}
    row = post(client, PNGS[1], **options).json()
    expected = localizer.with_options(method="layercam", threshold=0.6, boxes="all")(PNGS[1], classes=["owl", 0])
    assert [part["label"] for part in (row, *row["others"])] == ["owl", "cat"]
    assert row["boxes"] == expected.to_dict()["boxes"]
    assert row["box_scores"] == pytest.approx(expected.to_dict()["box_scores"], abs=1e-5)
    assert (row["method"], row["threshold"], row["others"][0]["image"]) == ("layercam", 0.6, "image.png")
    assert len(post(client, PNGS[1], top_k=3).json()["others"]) == 2


def test_a_heatmap_is_a_png(client, localizer):
    row = post(client, PNGS[2], heatmap="true", top_k=2).json()
    for part, expected in zip((row, *row["others"]), localizer(PNGS[2], top_k=2), strict=True):
        heatmap = np.asarray(Image.open(BytesIO(b64decode(part["heatmap_png"])))) / 255
        np.testing.assert_allclose(heatmap, expected.heatmap, atol=0.51 / 255 + 1e-5)
    assert "heatmap_png" not in post(client, PNGS[2]).json()


def test_several_images_have_results_in_their_order(client, localizer):
    response = post(client, PNGS[3], b"text", PNGS[4])
    first, second, third = response.json()["results"]
    assert response.status_code == 200
    assert first["box"] == localizer(PNGS[3]).to_dict()["box"]
    assert second["error"].keys() == {"code", "problem", "hint"}
    assert third["box"] == localizer(PNGS[4]).to_dict()["box"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "method: Input should be 'cam'"),
        ({"method": "scorecam"}, "method: Input should be 'cam'"),  # needs more than one forward pass
        ({"classes": "zebra"}, "zebra"),
        ({"classes": "99"}, "99"),
        ({"top_k": 0}, "top_k: Input should be greater"),
        ({"top_k": 10**9}, "top_k: Input should be less"),
        ({"threshold": 0}, "threshold: Input should be greater than 0"),
        ({"threshold": "nan"}, "threshold: Input should be"),
        ({"tresh": 0.9}, "tresh"),
        ({"boxes": "none"}, "boxes: Input should be 'best'"),
    ],
)
def test_an_invalid_option_is_rejected(client, options, words):
    response = post(client, PNGS[0], **options)
    assert response.status_code == 422
    assert words in response.json()["error"]["problem"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param({"files": upload(b"")}, 422, None, id="an empty file"),
        pytest.param({"data": {"image": "/etc/passwd"}}, 422, "request-invalid", id="a path"),
        pytest.param({"data": {"image": "http://127.0.0.1/cat.jpg"}}, 422, "request-invalid", id="a URL"),
        pytest.param({"json": {"image": "cat.jpg"}}, 422, "request-invalid", id="JSON"),
        pytest.param(
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "request-invalid",
            id="no boundary",
        ),
        pytest.param({"files": upload(*PNGS[:5])}, 413, "request-too-large", id="too many images"),
        pytest.param({"files": upload(b"x" * 2**20)}, 413, "request-too-large", id="too large"),
    ],
)
def test_a_request_without_a_good_image_is_rejected(client, request_, status, code):
    response = client.post("/v1/localize", **request_)
    assert response.status_code == status
    error = response.json()["error"]
    assert error.keys() == {"code", "problem", "hint"}
    assert code in (None, error["code"])


def test_an_image_of_too_many_pixels_is_rejected(localizer, monkeypatch):
    monkeypatch.setattr(localizer._pipeline, "max_pixels", 100)
    batching = BatchingLocalizer(localizer, timeout=TIMEOUT)
    with TestClient(small_service(batching), base_url="http://127.0.0.1") as client:
        assert "100" in post(client, PNGS[0]).json()["error"]["problem"]
    batching.close(timeout=TIMEOUT)


def test_images_times_classes_are_limited(client):
    assert post(client, PNGS[0], top_k=100).status_code == 200
    response = post(client, *PNGS[:3], top_k=34)
    assert response.status_code == 413
    assert "102" in response.json()["error"]["problem"]
    assert post(client, *PNGS[:3], top_k=33).status_code == 200


def test_a_file_name_is_returned_and_never_opened(client):
    response = client.post("/v1/localize", files=upload(PNGS[0], name="../../etc/passwd<script>"))
    assert response.json()["image"] == "../../etc/passwd<script>"
    assert response.headers["content-type"] == "application/json"


def test_models_and_methods_are_listed(client, localizer):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["method"], model["classes"]) == ("birds", "cam", ["cat", "dog", "owl", "none"])
    assert model["input_height"] == localizer.preprocessing.height
    methods = client.get("/v1/methods").json()["methods"]
    assert [method["name"] for method in methods] == list(localizer.single_pass_methods)
    assert methods[0] == {"name": "cam", "threshold": 0.35}
    for method in methods:
        assert post(client, PNGS[0], method=method["name"]).json()["threshold"] == method["threshold"]


def test_the_openapi_document_is_complete_and_has_no_page(client):
    document = client.get("/openapi.json").json()
    assert document["paths"]["/v1/localize"]["post"]["responses"].keys() >= {"200", "401", "413", "422", "429", "503"}
    assert "example" in document["components"]["schemas"]["LocalizationResponse"]
    response = client.get("/docs")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "path-not-found")


def test_metrics_count_requests_and_images(client):
    post(client, PNGS[0])
    post(client, b"text")
    post(client, PNGS[0], method="magic")
    lines = client.get("/metrics").text.splitlines()
    assert 'weakspot_requests_total{status="200"} 1.0' in lines
    assert 'weakspot_requests_total{status="422"} 2.0' in lines
    assert 'weakspot_images_total{outcome="localized"} 1.0' in lines
    assert 'weakspot_images_total{outcome="refused"} 1.0' in lines
    assert "weakspot_waiting_images 0.0" in lines


def test_a_stopping_service_is_alive_but_not_ready(client, batching):
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    batching.close(timeout=TIMEOUT)
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 503)
    response = post(client, PNGS[0])
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["error"]["code"] == "service-stopping"


def test_a_full_queue_and_a_timeout_are_reported(localizer, blocked):
    batching = BatchingLocalizer(localizer, max_queue=2, timeout=0.05)
    with TestClient(small_service(batching), base_url="http://127.0.0.1") as client:
        response = post(client, *PNGS[:3])
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        assert response.json()["error"]["code"] == "queue-full"
        response = post(client, PNGS[0])
        assert (response.status_code, response.json()["error"]["code"]) == (503, "request-timeout")
    blocked.released.set()
    batching.close(timeout=TIMEOUT)


def test_an_internal_error_reveals_nothing(batching, localizer, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("/home/secret/model.py broke")

    monkeypatch.setattr(type(localizer), "batch", fail)
    client = TestClient(small_service(batching), base_url="http://127.0.0.1", raise_server_exceptions=False)
    response = post(client, PNGS[0])
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal-error")
    assert "secret" not in response.text


def test_nothing_is_computed_for_a_disconnected_client(localizer, blocked):
    batching = BatchingLocalizer(localizer, timeout=TIMEOUT)
    running = [batching.submit([PNGS[0]], RequestOptions("cam", top_k=1 + i))[0] for i in range(2)]
    wait_until(lambda: not batching.queued)
    part = b'content-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
    body = b"--b\r\n" + part + PNGS[0] + b"\r\n--b--\r\n"
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        while not batching.queued:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
    scope = {"type": "http", "method": "POST", "path": "/v1/localize", "headers": headers, "query_string": b""}
    asyncio.run(small_service(batching)(scope | {"http_version": "1.1", "scheme": "http"}, receive, send))
    blocked.released.set()
    assert batching.close(timeout=TIMEOUT)
    assert all(future.result(0) for future in running)
    assert sum(blocked.sizes) == len(running)


def test_concurrent_clients_have_their_own_results(client, localizer):
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


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models", "/v1/methods"])
def test_head_is_answered_as_get(client, path):
    response = client.head(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == client.get(path).headers["content-type"]


def test_head_is_not_ready_while_the_service_stops(client, batching):
    batching.close(timeout=TIMEOUT)
    assert client.head("/readyz").status_code == 503


def test_a_request_without_an_image_says_how_to_send_one(client):
    error = client.post("/v1/localize", data={"top_k": 1}).json()["error"]
    assert "image" in error["problem"]
    assert "Content-Type" in error["hint"]
