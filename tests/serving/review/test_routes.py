import os
import re
import sys
from importlib.resources import files
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from reviews import BOX, HEIGHT, WIDTH, reviewing

from weakspot.serving.review.routes import POLICY

httpx = pytest.importorskip("httpx")

CAT = "cat/0000.png"
NOWHERE = "0" * 16
TRICKS = (
    "..",
    "../../localize.toml",
    "..%2f..%2flocalize.toml",
    "%2fetc%2fpasswd",
    "cat%2f0000.png",
    "....//....//etc/passwd",
    "0000000000000000%00",
    "0" * 5000,
)


@pytest.fixture
def client(live):
    with httpx.Client(base_url=live.url) as client:
        yield client


@pytest.fixture
def asking(shared):
    with httpx.Client(base_url=shared.url) as client:
        yield client
    assert shared.rows() == []


def put(client, image, revision=0, objects=()):
    return client.put(f"/v1/images/{image}", json={"revision": revision, "objects": objects})


def code(response):
    return response.status_code, response.json()["error"]["code"]


def test_the_page_has_a_policy_without_inline_scripts_and_needs_none(asking):
    html = asking.get("/")
    assert html.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert re.findall(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=|<style", html.text) == []
    links = re.findall(r'(?:src|href)="([^"]+)"', html.text)
    scripts = files("weakspot.serving.review").iterdir()
    links += [path.name for path in scripts if path.name.endswith(".js")]
    assert len(links) > 8
    assert {asking.get(f"/{link}").status_code for link in links} == {200}


def test_the_review_lists_images_with_boxes_and_heatmaps(asking):
    review = asking.get("/v1/review").json()
    assert review["classes"] == ["cat", "dog", "owl"]
    assert review["learning"]["available"] is False
    first = next(image for image in review["images"] if image["name"] == CAT)
    assert first["objects"] == [{"label": "cat", "box": BOX}]
    assert (first["status"], first["revision"], first["uncertainty"]) == ("untouched", 0, 1.0)
    assert (first["width"], first["height"]) == (WIDTH, HEIGHT)
    assert first["heatmaps"] == [{"label": "cat", "cut": [0.5, 1.0, 0.0], "boxes": [BOX]}]


def test_the_review_offers_images_and_tells_how_many_are_right(client, live):
    review = client.get("/v1/review").json()
    assert len(review["offers"]) == 5
    assert review["ranked"][0] == review["offers"][0]["id"] == live.ids()[CAT]
    assert [offer["random"] for offer in review["offers"][:3]] == [False, False, True]
    assert review["standing"] == {"text": live.state.standing().text, "reached": False}
    answer = put(client, live.ids()[CAT]).json()
    assert (answer["number"], answer["random"]) == (1, False)
    assert live.rows()[-1]["sampling"]["offer"] == "uncertain"


def test_only_what_has_changed_is_listed_again(client, live):
    version = client.get("/v1/review").json()["version"]
    put(client, live.ids()[CAT])
    review = client.get(f"/v1/review?since={version}").json()
    assert [image["name"] for image in review["images"]] == [CAT]
    assert client.get(f"/v1/review?since={review['version']}").json()["images"] == []


@pytest.mark.parametrize(
    ("objects", "status"),
    [
        ([{"label": "cat", "box": BOX}], "confirmed"),
        ([{"label": "dog", "box": BOX}], "corrected"),
        ([{"label": "cat", "box": [41.5, 30, 120, 90]}], "corrected"),
        ([{"label": "cat", "box": BOX}, {"label": "dog", "box": [0, 0, WIDTH, HEIGHT]}], "corrected"),
        ([], "empty"),
        (None, "untouched"),
    ],
)
def test_a_decision_is_a_row(client, live, objects, status):
    answer = put(client, live.ids()[CAT], objects=objects).json()
    assert (answer["status"], answer["revision"]) == (status, 1)
    row = live.rows()[-1]
    assert (row["image"], row["status"], row["size"], row["source"]) == (CAT, status, [HEIGHT, WIDTH], "person")
    assert row["objects"] == (objects or [])


def test_a_decision_on_an_earlier_revision_is_refused(client, live):
    image = live.ids()[CAT]
    assert put(client, image, 0, []).status_code == 200
    assert code(put(client, image, 0, [{"label": "dog", "box": BOX}])) == (409, "stale-revision")
    assert [row["status"] for row in live.rows()] == ["empty"]
    assert client.get(f"/v1/images/{image}").json()["status"] == "empty"
    assert put(client, image, 1, [{"label": "dog", "box": BOX}]).json()["status"] == "corrected"


@pytest.mark.parametrize(
    "box",
    [
        [-5, 0, 10, 10],
        [0, 0, WIDTH + 2, 10],
        [0, 0, 10, 1e300],
        [20, 0, 10, 10],
        [5, 5, 5, 9],
        [WIDTH, 0, WIDTH + 0.4, 9],
    ],
)
def test_a_box_that_is_no_part_of_the_image_is_refused(asking, shared, box):
    answer = put(asking, shared.ids()[CAT], objects=[{"label": "cat", "box": box}])
    assert code(answer) == (422, "box-invalid")


@pytest.mark.parametrize(
    "body",
    [
        b'{"revision": 0, "objects": [{"label": "cat", "box": [0, 0, NaN, 9]}]}',
        b'{"revision": 0, "objects": [{"label": "cat", "box": [0, 0, 1e999, 9]}]}',
        b'{"revision": 0, "objects": [{"label": "cat", "box": [0, 0, 9]}]}',
        b'{"revision": 0, "objects": [{"label": "cat", "box": "0,0,9,9"}]}',
        b'{"revision": 0, "objects": [{"label": 7, "box": [0, 0, 9, 9]}]}',
        b'{"revision": -1, "objects": []}',
        b'{"revision": 0}',
        b'{"objects": []}',
        b'{"revision": 0, "objects": [], "image": "/etc/passwd"}',
        b"[" * 100_000,
        b"\xff",
        b"",
    ],
)
def test_a_request_that_does_not_fit_is_refused(asking, shared, body):
    headers = {"Content-Type": "application/json"}
    answer = asking.put(f"/v1/images/{shared.ids()[CAT]}", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] == "request-invalid"


def test_a_class_that_does_not_exist_is_refused(asking, shared):
    answer = put(asking, shared.ids()[CAT], objects=[{"label": "cta", "box": BOX}])
    assert code(answer) == (422, "unknown-class")


@pytest.mark.parametrize("below", ["", "/large", "/small", "/heatmaps/0"])
@pytest.mark.parametrize("image", [NOWHERE, *TRICKS])
def test_no_path_of_a_request_is_a_file(asking, image, below):
    answer = asking.get(f"/v1/images/{image}{below}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/boxes.jsonl", "/../boxes.jsonl", "/review.jsonl", "/%2e%2e/review.py", "/state.py"])
def test_files_of_the_folder_and_of_the_package_are_not_served(asking, path):
    assert asking.get(path).status_code == 404


def test_images_are_encoded_anew(client, live):
    item = live.state.get(live.ids()[CAT]).item
    image = Image.open(item.path).convert("RGB")
    exif = image.getexif()
    exif[0x0131] = "secret"
    image.save(item.path, "JPEG", exif=exif, comment=b"secret")
    for size in ("large", "small"):
        answer = client.get(f"/v1/images/{item.id}/{size}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert b"secret" not in answer.content
        assert Image.open(BytesIO(answer.content)).size == (WIDTH, HEIGHT)
    heatmap = client.get(f"/v1/images/{item.id}/heatmaps/0")
    assert np.array_equal(Image.open(BytesIO(heatmap.content)), Image.open(item.predictions[0].heatmap))
    assert code(client.get(f"/v1/images/{item.id}/heatmaps/1")) == (404, "heatmap-not-found")


def test_an_image_that_is_gone_or_damaged_is_said(client, live):
    item = live.state.get(live.ids()[CAT]).item
    item.path.write_bytes(b"text")
    assert code(client.get(f"/v1/images/{item.id}/large")) == (422, "image-invalid")
    item.path.unlink()
    assert code(client.get(f"/v1/images/{item.id}/small")) == (404, "image-not-found")


def test_pages_of_others_are_refused(asking, shared):
    path, body = f"/v1/images/{shared.ids()[CAT]}", {"revision": 0, "objects": []}
    assert code(asking.put(path, json=body, headers={"Origin": "http://evil.test"})) == (403, "origin-mismatch")
    assert code(asking.post("/v1/learn", headers={"Origin": "null"})) == (403, "origin-mismatch")
    assert code(asking.get("/v1/review", headers={"Host": "evil.test"})) == (421, "unknown-host")
    big = {"revision": 0, "objects": [{"label": "x" * 2**20, "box": BOX}]}
    assert code(asking.put(path, json=big)) == (413, "request-too-large")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_a_name_that_is_not_text_spoils_nothing(found):
    rows = (found / "boxes.jsonl").read_text()
    name = os.fsdecode(b"\xff\xfe.png")
    (found.parent / "images" / CAT).rename(found.parent / "images" / "cat" / name)
    (found / "boxes.jsonl").write_bytes(rows.replace("0000.png", name).encode(errors="backslashreplace"))
    with reviewing(found) as live:
        images = httpx.get(f"{live.url}/v1/review").json()["images"]
        [odd] = [image for image in images if image["name"] == "cat/??.png"]
        url = f"{live.url}/v1/images/{odd['id']}"
        assert httpx.get(f"{url}/small").status_code == 200
        assert httpx.put(url, json={"revision": 0, "objects": []}).json()["status"] == "empty"
    with reviewing(found) as live:
        assert live.state.get(odd["id"]).status == "empty"


def test_what_no_run_has_localized_cannot_learn(asking):
    assert code(asking.post("/v1/learn")) == (409, "run-not-found")


def test_decisions_that_cannot_be_written_change_nothing(client, live):
    live.source.file.mkdir()
    image = live.ids()[CAT]
    assert code(put(client, image)) == (500, "not-writable")
    assert client.get(f"/v1/images/{image}").json()["status"] == "untouched"


def test_decisions_are_there_after_a_restart(found):
    with reviewing(found) as first:
        image = first.ids()[CAT]
        httpx.put(f"{first.url}/v1/images/{image}", json={"revision": 0, "objects": []})
        httpx.put(f"{first.url}/v1/images/{image}", json={"revision": 1, "objects": [{"label": "dog", "box": BOX}]})
    with reviewing(found) as second:
        known = httpx.get(f"{second.url}/v1/images/{image}").json()
        assert (known["status"], known["revision"]) == ("corrected", 2)
        assert known["objects"] == [{"label": "dog", "box": BOX}]
        other = httpx.get(f"{second.url}/v1/images/{second.ids()['dog/0001.png']}").json()
        assert (other["status"], other["revision"]) == ("untouched", 0)
