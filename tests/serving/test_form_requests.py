import json

import pytest
from services import PNGS, TIMEOUT, small_service

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from weakspot.serving.middleware import Limits


@pytest.fixture
def client(batching):
    with TestClient(small_service(batching), base_url="http://127.0.0.1") as client:
        yield client


def send_body(client, query="", kind="image/png", body=PNGS[0]):
    return client.post(f"/v1/localize{query}", content=body, headers={"Content-Type": kind})


def send_form(client, query="", **fields):
    return client.post(f"/v1/localize{query}", files=[("image", ("a.png", PNGS[0], "image/png"))], data=fields)


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "application/octet-stream", "IMAGE/PNG"])
def test_an_image_may_be_the_body(kind, client, localizer):
    response = send_body(client, kind=kind)
    assert response.status_code == 200
    assert response.json() == json.loads(localizer(PNGS[0]).to_json()) | {"image": "image"}


def test_a_body_in_parts_is_read(client):
    parts = (PNGS[0][i : i + 100] for i in range(0, len(PNGS[0]), 100))
    assert send_body(client, body=parts).json()["box"] == send_body(client).json()["box"]


def test_options_of_an_image_in_the_body_are_in_the_query(client, localizer):
    row = send_body(client, "?method=layercam&classes=owl&classes=0&threshold=0.6&boxes=all&heatmap=true").json()
    expected = localizer.with_options(method="layercam", threshold=0.6, boxes="all")(PNGS[0], classes=["owl", 0])
    assert [part["label"] for part in (row, *row["others"])] == ["owl", "cat"]
    assert row["boxes"] == expected.to_dict()["boxes"]
    assert row["heatmap_png"]


@pytest.mark.parametrize("send", [send_body, send_form])
def test_options_in_the_query_are_used_and_checked(send, client):
    assert len(send(client, "?top_k=3").json()["others"]) == 2
    for query, words in (("?top_k=x", "top_k"), ("?classes=zebra", "zebra"), ("?nonsense=1", "nonsense")):
        response = send(client, query)
        assert response.status_code == 422
        assert words in response.json()["error"]["problem"]


def test_the_form_has_precedence_and_classes_are_added(client):
    assert "others" not in send_form(client, "?top_k=3", top_k=1).json()
    row = send_form(client, "?classes=owl", classes=["0"]).json()
    assert [part["label"] for part in (row, *row["others"])] == ["owl", "cat"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("image/png", b"", 422),
        ("image/png", b"text", 422),
        ("application/x-www-form-urlencoded", PNGS[0], 422),
        ("application/json", b"{}", 422),
        ("", PNGS[0], 422),
        ("multipart/form-data", PNGS[0], 400),
    ],
)
@pytest.mark.parametrize("query", ["", "?top_k=2"])
def test_any_other_body_is_refused(kind, body, status, query, client):
    response = send_body(client, query, kind, body)
    assert response.status_code == status
    assert response.json()["error"]["code"]


def test_a_value_of_the_query_stays_one_field(client):
    value = "%0D%0A--x%0D%0AContent-Disposition: form-data; name=top_k%0D%0A%0D%0A3"
    assert send_body(client, f"?classes={value}").status_code == 422


def test_an_option_in_the_form_and_the_query_is_refused(client):
    response = send_form(client, "?top_k=2", top_k="1")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "request-invalid")
    assert "top_k" in response.json()["error"]["problem"]
    assert send_form(client, "?classes=0", classes="1").status_code == 200


def test_the_limit_of_the_body_is_that_of_the_request(batching):
    with TestClient(small_service(batching, limits=Limits(100, TIMEOUT)), base_url="http://127.0.0.1") as client:
        assert send_body(client).status_code == 413
        assert send_body(client, body=iter([PNGS[0]])).status_code == 413


def test_the_query_of_other_paths_is_ignored(client):
    assert client.get("/healthz?probe=1").status_code == 200
