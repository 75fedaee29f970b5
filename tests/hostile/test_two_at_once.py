"""Two commands that write to one folder: the second is refused and changes nothing; a killed one is no hindrance."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from holding import held
from PIL import Image
from results_made import row, write_rows
from small_graphs import run_folder
from squares import Scene, write

from weakspot.cli.app import main
from weakspot.io.folder_lock import LOCK
from weakspot.io.temporary_files import temporary_folder

SCENES = (
    Scene("red/a", (("red", (20, 10, 80, 60)),), "test"),
    Scene("green/b", (("green", (50, 30, 110, 75)),), "test"),
)
RUN = "localize photos --model run --output out"
COMMANDS = {
    "localize": RUN,
    "localize a resumed run": f"{RUN} --resume",
    "localize a shard": f"{RUN} --shard 1/2",
    "localize on Ray": f"{RUN} --engine ray",
    "train a resumed run": "train --resume out",
    "evaluate": "evaluate data --predicted-boxes boxes.csv --output out",
    "compare": "compare run data --output out",
    "label": "label found --output out",
    "label again": "label found --output out --overwrite",
    "import labels": "label --import data/annotations.csv --format csv --images data/images --output out",
    "report": "report out",
    "threshold": "threshold out data",
    "demo": "demo --output out",
    "download": "download cub out",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with images, a data set, a model, rows of a run, and a file of boxes."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", SCENES)
    (tmp_path / "photos").mkdir()
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    run_folder(tmp_path / "run", backbone="test_efficientnet", quality="plain")
    write_rows(tmp_path / "found" / "boxes.jsonl", [row(tmp_path / "photos" / "0.png", width=40, height=30)])
    (tmp_path / "boxes.csv").write_text("image_id,xmin,ymin,xmax,ymax\nred/a,1,2,30,40\n")
    return tmp_path


def weakspot(words):
    return main(words.split())


def state(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused_for(process, words, capsys):
    """Run a command that is refused because of a process, in two lines."""
    before = state(Path("out"))
    assert weakspot(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert f"process {process.pid} " in lines[0]
    assert state(Path("out")) == before


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_folder_that_another_process_holds_is_refused(words, here, capsys):
    if words.startswith("threshold"):
        run_folder(here / "out")
    (here / "out").mkdir(exist_ok=True)
    (here / "out" / "config.toml").write_text("data = 'data'\n")
    with held("out") as process:
        refused_for(process, words, capsys)


@pytest.mark.parametrize(
    ("file", "words"),
    [("out/model.onnx", "export run --output out/model.onnx"), ("out/r.html", "report found --output out/r.html")],
)
def test_file_that_another_process_writes_is_refused(file, words, here, capsys):
    (here / "out").mkdir()
    with held(file, "file") as process:
        refused_for(process, words, capsys)


@pytest.mark.parametrize("words", ["check data", "check data --images data/images"])
def test_commands_that_only_read_need_no_lock(words, here):
    with held("data"):
        assert weakspot(words) in (0, 1)


def test_run_in_another_folder_goes_on(here):
    with held("data"):
        assert weakspot("localize photos --model run --output other") == 0
        assert weakspot("report found") == 0
    assert not [*Path("other").glob(f"{LOCK}*"), *Path("found").glob(f"{LOCK}*")]


@pytest.fixture
def waiting(here):
    """A run that waits for its list of images on stdin, in another process."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "WEAKSPOT_BACKEND": "torch",
    }
    words = [sys.executable, "-m", "weakspot", *RUN.replace("photos", "-").split()]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    deadline = time.monotonic() + 300
    while not Path("out", LOCK).exists() or not Path("out", LOCK).read_bytes():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


def images_of_rows():
    return sorted(json.loads(line)["image"] for line in Path("out/boxes.jsonl").read_text().splitlines())


@pytest.mark.exhaustive
def test_second_localize_is_refused_and_the_first_writes_every_row_once(waiting, here, capsys):
    for more in ("", " --resume", " --shard 1/2"):
        refused_for(waiting, f"{RUN}{more}", capsys)
    names = sorted(f"photos/{i}.png" for i in range(6))
    waiting.communicate("\n".join(names).encode())
    assert waiting.returncode == 0
    assert images_of_rows() == names
    assert not list(Path("out").glob(".weakspot-*"))


def test_folder_of_a_killed_localize_is_taken_over_with_what_it_left(waiting, here):
    waiting.send_signal(signal.SIGKILL)
    waiting.wait()
    Path("out/.weakspot-abcd1234").write_bytes(b"half a file")
    assert weakspot(f"{RUN} --resume") == 0
    assert len(images_of_rows()) == 6
    assert not list(Path("out").glob(".weakspot-*"))


def test_interrupted_localize_releases_its_folder(waiting, here):
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait() in (130, -signal.SIGINT)  # as late as at the exit of the interpreter
    assert not Path("out").exists()


def test_labels_are_back_if_label_was_killed_while_it_replaced_them(here):
    assert weakspot("label found --output out") in (0, 1)
    before = state(Path("out"))
    with temporary_folder(Path("out")) as left:  # what label leaves if it is killed there
        (left / "new").mkdir()
        Path("out").rename(left / "old")
        assert weakspot("label found --output out") == 2  # not empty
        assert state(Path("out")) == before
        assert weakspot("label found --output out --overwrite") in (0, 1)
    assert sorted(path.name for path in here.iterdir() if path.name.startswith(".")) == []
