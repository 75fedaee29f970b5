import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from refusals import refused
from services import TIMEOUT, png, wait_until
from small_graphs import random_images, run_folder

from weakspot.cli import serve as serving
from weakspot.cli.app import main
from weakspot.cli.serve import load_to_serve, serve
from weakspot.errors import ModelError
from weakspot.serving.options import ServeOptions
from weakspot.serving.tokens import TOKEN

httpx = pytest.importorskip("httpx")

# Makes the service's process fail if it looks up or connects to another machine.
GUARD = """
import socket, sys
real_lookup, real_connect = socket.getaddrinfo, socket.socket.connect
def lookup(host, *rest, **options):
    assert host in (None, "127.0.0.1", "localhost", "::1"), f"looked up {host}"
    return real_lookup(host, *rest, **options)
def connect(self, address):
    assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), f"connected to {address}"
    return real_connect(self, address)
socket.getaddrinfo, socket.socket.connect = lookup, connect
from weakspot.cli.app import main
sys.exit(main())
"""


@contextmanager
def service(*arguments):
    """A service in its own process: its URL, and the process."""
    command = [sys.executable, "-c", GUARD, "serve", *map(str, arguments), "--port", "0"]
    environment = os.environ | {"WEAKSPOT_BACKEND": "torch"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        url = re.match(r"http://127\.0\.0\.1:\d+", line)
        assert url, process.communicate()
        yield url[0], process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.exhaustive
def test_a_service_responds_and_stops_at_sigterm_after_all_responses(tmp_path):
    run_folder(tmp_path)
    image = png(random_images(1)[0])
    with service(tmp_path, "--timeout", TIMEOUT, "--max-images", 150, "--concurrency", 150) as (url, process):
        row = httpx.post(f"{url}/v1/localize", files={"image": image}, timeout=TIMEOUT).json()
        assert row["label"] in ("cat", "dog", "owl", "none")
        page = httpx.get(url, timeout=TIMEOUT)
        assert (page.status_code, "weakspot" in page.text) == (200, True)
        responses = []
        files = [("image", image)] * 90
        client = threading.Thread(
            target=lambda: responses.append(httpx.post(f"{url}/v1/localize", files=files, timeout=TIMEOUT).json())
        )
        client.start()
        # The second request has reached the model; this holds from then on, however fast the machine is.
        wait_until(lambda: batched_images(url) > 1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=TIMEOUT)
        client.join()
    assert process.returncode == 0
    assert [result["box"] for result in responses[0]["results"]] == [row["box"]] * 90
    assert "Traceback" not in errors


def batched_images(url):
    text = httpx.get(f"{url}/metrics", timeout=TIMEOUT).text
    return float(re.search(r"^weakspot_batch_images_sum (.+)$", text, re.MULTILINE)[1])


def test_other_machines_need_a_token(monkeypatch, capsys):
    monkeypatch.delenv(TOKEN, raising=False)
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        assert main(["serve", "resnet18", "--host", host]) == 2
        errors = capsys.readouterr().err
        assert host in errors
        assert TOKEN in errors
    assert serving._checked(ServeOptions(host="0.0.0.0", token="long and random")) == "long and random"
    monkeypatch.setenv(TOKEN, "from-environment")
    assert serving._checked(ServeOptions(host="0.0.0.0")) == "from-environment"
    assert serving._checked(ServeOptions(token="first")) == "first"
    monkeypatch.setenv(TOKEN, "")
    assert serving._checked(ServeOptions()) is None


@pytest.mark.parametrize(
    ("options", "code", "values"),
    [
        ({"max_upload_mb": 0}, "out-of-range", ("--max-upload-mb", 0)),
        ({"timeout": float("nan")}, "out-of-range", ("--timeout", "nan")),
        ({"timeout": float("inf")}, "out-of-range", ("--timeout", "inf")),
        ({"concurrency": -1}, "out-of-range", ("--concurrency", -1)),
        ({"token": "schlüssel"}, "token-invalid", ()),
        ({"token": " padded "}, "token-invalid", ()),
        ({"host": "0.0.0.0"}, "missing-token", ("0.0.0.0",)),
    ],
)
def test_invalid_options_are_refused(options, code, values, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    with refused(code, *values):
        serve("resnet18", ServeOptions(**options), on_start=print)


def test_a_missing_dependency_is_reported(monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "gradio" else name)
    with refused("not-installed", "weakspot[web]", kind=ModelError):
        serve("resnet18", ServeOptions(), on_start=print)


def test_an_unknown_model_is_refused_and_its_port_released(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "missing"), "--port", "0"]) == 2
    assert "missing" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_a_model_runs_in_onnxruntime_if_possible(tmp_path, monkeypatch, one_thread, caplog):
    monkeypatch.setenv("WEAKSPOT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "run").mkdir()
    folder = str(run_folder(tmp_path / "run"))
    assert load_to_serve(folder, ServeOptions()).backend == "torch"  # from WEAKSPOT_BACKEND
    monkeypatch.delenv("WEAKSPOT_BACKEND")
    in_onnx = load_to_serve(folder, ServeOptions())
    assert in_onnx.backend == "onnx"
    image = random_images(1)[0]
    in_torch = load_to_serve(folder, ServeOptions(backend="torch"))
    np.testing.assert_allclose(in_onnx(image).heatmap, in_torch(image).heatmap, atol=1e-3)
    monkeypatch.setattr("weakspot.inference.backends.onnx_cache.find_spec", lambda name: None)
    with caplog.at_level("INFO", "weakspot"):
        assert load_to_serve(folder, ServeOptions()).backend == "torch"
    assert "PyTorch" in caplog.text
