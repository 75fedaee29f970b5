import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from small_graphs import photos, run_folder

from weakspot.cli import serve as serving
from weakspot.cli.app import main
from weakspot.cli.serve import TOKEN, open_to_serve, serve
from weakspot.errors import InputError, ModelError
from weakspot.serving.options import ServeOptions

httpx = pytest.importorskip("httpx")

# Has the service's process refuse to look up or reach anything that is not this machine.
GUARD = """
import socket, sys
real_lookup, real_connect = socket.getaddrinfo, socket.socket.connect
def lookup(host, *rest, **options):
    assert host in (None, "127.0.0.1", "localhost", "::1"), f"looked up {host}"
    return real_lookup(host, *rest, **options)
def connect(one, address):
    assert one.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), f"reached for {address}"
    return real_connect(one, address)
socket.getaddrinfo, socket.socket.connect = lookup, connect
from weakspot.cli.app import main
sys.exit(main())
"""


@contextmanager
def service(*words, env=None):
    """A service in a process of its own; its address."""
    command = [sys.executable, "-c", GUARD, "serve", *map(str, words), "--port", "0"]
    environment = os.environ | {"WEAKSPOT_BACKEND": "torch"} | (env or {})
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:\d+", line)
        assert found, process.communicate()
        yield found[0], process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_a_service_answers_and_at_sigterm_ends_when_all_are_answered(tmp_path):
    run_folder(tmp_path)
    Image.fromarray(photos(1)[0]).save(tmp_path / "photo.png")
    image = (tmp_path / "photo.png").read_bytes()
    with service(tmp_path, "--timeout", 20, "--max-images", 150, "--concurrency", 150) as (url, process):
        row = httpx.post(f"{url}/v1/localize", files={"image": image}, timeout=30).json()
        assert row["label"] in ("cat", "dog", "owl", "none")
        page = httpx.get(url)
        assert (page.status_code, "weakspot" in page.text) == (200, True)
        found = []
        many = [("image", image)] * 90
        asking = threading.Thread(
            target=lambda: found.append(httpx.post(f"{url}/v1/localize", files=many, timeout=60).json())
        )
        asking.start()
        while httpx.get(f"{url}/metrics").text.find("weakspot_waiting_images 0.0") > 0:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=25)
        asking.join()
    assert process.returncode == 0
    assert [one["box"] for one in found[0]["results"]] == [row["box"]] * 90
    assert "Traceback" not in errors


def test_strangers_need_a_token(monkeypatch, capsys):
    monkeypatch.delenv(TOKEN, raising=False)
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        assert main(["serve", "resnet18", "--host", host]) == 2
        assert re.match(
            rf"Others than this machine reach {host}, and no token is set\.\nSet {TOKEN}", capsys.readouterr().err
        )
    assert serving._checked(ServeOptions(host="0.0.0.0", token="long and random")) == "long and random"
    monkeypatch.setenv(TOKEN, "from-there")
    assert serving._checked(ServeOptions(host="0.0.0.0")) == "from-there"
    assert serving._checked(ServeOptions(token="first")) == "first"
    monkeypatch.setenv(TOKEN, "")
    assert serving._checked(ServeOptions()) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_upload_mb": 0}, "--max-upload-mb 0 is no limit"),
        ({"timeout": float("nan")}, "--timeout nan is no limit"),
        ({"timeout": float("inf")}, "--timeout inf is no limit"),
        ({"concurrency": -1}, "--concurrency -1 is no limit"),
        ({"token": "schlüssel"}, "characters that not every client can send"),
        ({"token": " padded "}, "characters that not every client can send"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        serve("resnet18", ServeOptions(**options), on_start=print)


def test_without_what_it_needs_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "gradio" else name)
    with pytest.raises(ModelError, match=r"not installed\.\nRun: pip install 'weakspot\[web\]'"):
        serve("resnet18", ServeOptions(), on_start=print)


def test_a_model_that_is_none_is_refused_and_the_port_given_back(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "missing"), "--port", "0"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


@pytest.mark.long
def test_a_model_is_served_by_onnxruntime_where_it_can_be(tmp_path, monkeypatch, one_thread, caplog):
    monkeypatch.setenv("WEAKSPOT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "run").mkdir()
    folder = str(run_folder(tmp_path / "run"))
    assert open_to_serve(folder, ServeOptions()).backend == "torch"  # as WEAKSPOT_BACKEND says
    monkeypatch.delenv("WEAKSPOT_BACKEND")
    in_onnx = open_to_serve(folder, ServeOptions())
    assert in_onnx.backend == "onnx"
    photo = photos(1)[0]
    in_torch = open_to_serve(folder, ServeOptions(backend="torch"))
    np.testing.assert_allclose(in_onnx(photo).heatmap, in_torch(photo).heatmap, atol=1e-3)
    monkeypatch.setattr("weakspot.inference.backends.onnx_cache.find_spec", lambda name: None)
    with caplog.at_level("INFO", "weakspot"):
        assert open_to_serve(folder, ServeOptions()).backend == "torch"
    assert "the model stays in PyTorch" in caplog.text
