import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from reviews import BOX, CAT_ROW, write_found
from small_graphs import run_folder

from weakspot.cli.review import localize_first, review
from weakspot.data.review_rows import read_review
from weakspot.errors import WeakspotError
from weakspot.io.rows import read_rows
from weakspot.io.settings import load_settings
from weakspot.serving.review.options import ReviewOptions

httpx = pytest.importorskip("httpx")


@contextlib.contextmanager
def page(*arguments):
    """A page in its own process: its URL, and the process."""
    command = [sys.executable, "-m", "weakspot", "review", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = re.match(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert url, process.communicate()
        yield url[0], process
    finally:
        process.kill()
        process.communicate()


def test_decisions_survive_that_the_process_is_killed(tmp_path):
    found = write_found(tmp_path)
    with page(found) as (url, process):
        images = httpx.get(f"{url}/v1/review").json()["images"]
        for image in images[:3]:
            body = {"revision": 0, "objects": [{"label": "owl", "box": BOX}]}
            assert httpx.put(f"{url}/v1/images/{image['id']}", json=body).json()["revision"] == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    written = read_review(found / "review.jsonl")
    assert list(written) == [image["name"] for image in images[:3]]
    assert {item.label for row in written.values() for item in row.objects} == {"owl"}
    with page(found) as (url, process):
        known = {image["name"]: image["status"] for image in httpx.get(f"{url}/v1/review").json()["images"]}
        assert [known[name] for name in written] == ["corrected"] * 3
        with refused("output-in-use", found, process.pid):
            review(str(found), None, ReviewOptions(port=0), on_start=print)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_a_run_localizes_the_classes_of_folders_with_heatmaps_and_uncertainty(tmp_path, one_thread):
    run, images = run_folder(tmp_path / "run", quality="fast"), tmp_path / "images"
    for label in ("cat", "dog", "other"):
        (images / label).mkdir(parents=True)
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(images / label / "1.png")
    folder = localize_first(str(run), images, tmp_path / "out")
    rows = [row for _, row in read_rows(folder / "boxes.jsonl")]
    assert [row["label"] for row in rows[:2]] == ["cat", "dog"]
    assert all(0 <= row["uncertainty"] <= 1 for row in rows)
    assert len(list((folder / "heatmaps").rglob("*.png"))) == 3
    assert load_settings(folder / "localize.toml")["classes"] == ["folder"]
    assert localize_first(str(run), images, tmp_path / "out") == folder
    assert len(list(read_rows(folder / "boxes.jsonl"))) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_images_are_decoded_apart_and_what_was_left_is_said_and_taken_over(tmp_path):
    found = write_found(tmp_path)
    (found / "review.jsonl").write_text(CAT_ROW.replace("0000", "9999"))
    ready = found / "learning" / "ready" / "put"
    ready.mkdir(parents=True)
    (ready / "boxes.jsonl").write_text((found / "boxes.jsonl").read_text().replace("[40.0", "[41.0"))
    with page(found) as (url, process):
        images = httpx.get(f"{url}/v1/review").json()["images"]
        assert {image["objects"][0]["box"][0] for image in images} == {41}
        assert httpx.get(f"{url}/v1/images/{images[0]['id']}/large").status_code == 200
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for file in children for pid in file.read_text().split()]
        assert any("decoder_process" in command for command in commands)
        process.send_signal(signal.SIGTERM)
        assert "cat/9999.png" in process.communicate()[1]
    assert not (found / "learning").exists()


@pytest.mark.parametrize(
    ("words", "options", "code"),
    [
        (["run"], {}, "missing-images"),
        (["found"], {"host": "0.0.0.0"}, "missing-token"),
        (["found"], {"output": Path("out")}, "options-conflict"),
        (["found"], {"port": 70000}, "out-of-range"),
        (["found"], {"stop_at": 30.0}, "out-of-range"),
        (["no/run", "images"], {}, "run-not-found"),
    ],
)
def test_mistakes_are_said(tmp_path, monkeypatch, words, options, code):
    monkeypatch.delenv("WEAKSPOT_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    write_found(tmp_path, 1)
    folder, *images = words
    with refused(code, kind=WeakspotError):
        review(
            folder,
            *[Path(image) for image in images] or [None],
            ReviewOptions(**{"port": 0, **options}),
            on_start=print,
        )
