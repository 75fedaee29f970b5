"""Nothing is sent to other machines, and no library keeps records of its use."""

import json
import os
import re
import subprocess
import sys
from urllib.request import urlopen

import pytest
from connections import can_record, recorded
from services import TIMEOUT
from small_graphs import run_folder
from small_runs import SMALL, write_discs

SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
# Runs commands one after the other, and stays for as long as onnxruntime takes to look up its maker's host.
COMMANDS = """
import json, sys, time
from weakspot.cli.app import main
codes = [main(words) for words in json.loads(sys.argv[1])]
time.sleep(12)
sys.exit(max(codes))
"""
# Ray asks from which of its addresses this machine would reach these: the kernel answers, and nothing is sent.
ASKED_OF_THE_KERNEL = {"8.8.8.8", "2001:4860:4860::8888"}
needs_recording = pytest.mark.skipif(not can_record(), reason="this kernel does not report calls to its users")


def alone(home, **more):
    """The environment of a user who has set nothing, with an empty home."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "HF_", "WEAKSPOT_"))}
    kept = {name: value for name, value in kept.items() if name not in SWITCHES}
    path = os.pathsep.join(filter(None, sys.path))
    return kept | {"HOME": str(home), "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def printed(program, environment):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.split()


def test_importing_any_part_switches_telemetry_off_unless_the_user_has_said_otherwise(tmp_path):
    program = f"import os, weakspot.errors; print(*(os.environ[name] for name in {list(SWITCHES)}))"
    assert printed(program, alone(tmp_path)) == list(SWITCHES.values())
    assert printed(program, alone(tmp_path, ORT_DISABLE_TELEMETRY="0", RAY_USAGE_STATS_ENABLED="1")) == ["0", "1", "1"]


def test_onnxruntime_leaves_nothing_at_home(tmp_path):
    program = "import weakspot.inference.backends.onnx_session, onnxruntime; print(onnxruntime.get_device())"
    assert printed(program, alone(tmp_path)) == ["CPU"]
    assert list(tmp_path.rglob("*")) == []


@needs_recording
@pytest.mark.parametrize(
    ("program", "addresses"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 80), timeout=9)", ["192.0.2.1"]),
        ("import socket; socket.create_connection(('2001:db8::1', 80), timeout=9)", ["2001:db8::1"]),
        ("import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.2', 53))", ["192.0.2.2"]),
        ("import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())", []),
    ],
)
def test_recording_notices_connections_to_other_machines_and_refuses_them(program, addresses):
    with recorded([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as (process, found):
        assert process.wait(TIMEOUT) == bool(addresses)
    assert found == addresses


@pytest.fixture
def pipes(tmp_path):
    """How processes of these tests are started."""
    return {"cwd": tmp_path, "env": alone(tmp_path / "home"), "stdout": subprocess.PIPE, "text": True}


@pytest.mark.exhaustive
@needs_recording
def test_no_command_looks_up_or_connects_to_another_machine(tmp_path, pipes):
    data, run = write_discs(tmp_path / "data", {"train": 8, "val": 4}), run_folder(tmp_path / "birds", quality="plain")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in (SMALL | {"epochs": 1}).items()]
    commands = [
        ["train", str(data), "--output", "run", *options],
        ["export", str(run), "--output", "birds.onnx"],
        ["localize", str(data / "val"), "--model", "birds.onnx", "--output", "found"],
        ["localize", str(data / "val"), "--model", "run", "--output", "drawn", "--save-plots"],
        ["report", "drawn"],
    ]
    with recorded([sys.executable, "-c", COMMANDS, json.dumps(commands)], **pipes) as (process, found):
        process.communicate(timeout=TIMEOUT)
    assert (process.returncode, found) == (0, [])
    assert list((tmp_path / "home").rglob("*onnxruntime*")) == []


@pytest.mark.exhaustive
@needs_recording
def test_a_service_looks_up_and_connects_to_no_other_machine(tmp_path, pipes, exported_run):
    command = [sys.executable, "-m", "weakspot", "serve", str(exported_run[0].path), "--port", "0"]
    with recorded(command, **pipes) as (process, found):
        url = re.match(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
        for path in ("/", "/config", "/theme.css", "/metrics"):
            assert urlopen(url + path, timeout=TIMEOUT).status == 200
        with pytest.raises(subprocess.TimeoutExpired):  # as long as onnxruntime takes
            process.wait(12)
    assert found == []
    assert list((tmp_path / "home").rglob("*onnxruntime*")) == []


@pytest.mark.exhaustive
@pytest.mark.long
@needs_recording
def test_a_ray_of_this_machine_sends_nothing_to_another(tmp_path, pipes, exported_run):
    pytest.importorskip("ray")
    data = write_discs(tmp_path / "data", {"val": 4})
    words = ["localize", str(data), "--model", str(exported_run[0].path), "--output", "found", "--engine", "ray"]
    with recorded([sys.executable, "-m", "weakspot", *words], **pipes) as (process, found):
        process.communicate(timeout=TIMEOUT)
    assert (process.returncode, set(found) - ASKED_OF_THE_KERNEL) == (0, set())
    assert list((tmp_path / "home").rglob("*onnxruntime*")) == []
