"""Runs on Ray, in processes of their own: what comes out is what one process finds, whoever is killed on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from operator import attrgetter, itemgetter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weakspot.cli.app import main
from weakspot.io.rows import read_rows
from weakspot.io.shards import row_files
from weakspot.report import read_report_data

pytestmark = pytest.mark.long
pytest.importorskip("ray", reason="Ray is not installed")

IMAGES = 48
FAST = ["--model", "model.onnx", "--batch-size", "4", "--top-k", "2"]
# Whoever opens that image dies, in whatever process.
DEADLY = """
import os
import pathlib

opened = pathlib.Path.open

def open(path, *args, **kwargs):
    if path.name == "deadly.jpg":
        os._exit(1)
    return opened(path, *args, **kwargs)

pathlib.Path.open = open
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory, exported_run):
    """A folder with images, two of them damaged, and with what one process finds in them."""
    base = tmp_path_factory.mktemp("ray")
    (base / "photos").mkdir()
    for i in range(IMAGES):
        pixels = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80 + i, 60), Image.Resampling.BICUBIC).save(base / f"photos/{i:02}.jpg")
    (base / "photos/05.jpg").write_bytes(b"")
    (base / "photos/33.jpg").write_bytes((base / "photos/33.jpg").read_bytes()[:200])
    (base / "site").mkdir()
    (base / "site/sitecustomize.py").write_text(DEADLY)
    # A graph: actors start in a second without PyTorch.
    shutil.copy(exported_run[0].path, base / "model.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("OMP_NUM_THREADS", "1")  # as an actor has
        assert main(["localize", "photos", *FAST, "--output", "one"]) == 1
    return base


@pytest.fixture(scope="module")
def cluster(base):
    """A Ray of two cores, and how it is reached."""
    program = (
        "import ray, sys; c = ray.init(address='local', num_cpus=2, include_dashboard=False, log_to_driver=False);"
        "print(c.address_info['address'], flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(base), text=True
    )
    yield process.stdout.readline().strip()
    process.communicate(timeout=60)


def environment(base):
    """Actors import what stands in ``base``, too, and have one thread."""
    path = os.pathsep.join(filter(None, [str(base / "site"), os.environ.get("PYTHONPATH")]))
    told = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    return {**os.environ, **told, "PYTHONPATH": path}


def start(base, *words):
    command = [sys.executable, "-m", "weakspot", "localize", *words, *FAST, "--engine", "ray"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=base, env=environment(base), **pipes)


def finish(process):
    """The exit code of a run, and what it said."""
    said, told = process.communicate(timeout=240)
    return process.returncode, said, told


def lines(*files):
    """The lines of files, sorted: there is none twice."""
    found = sorted(line for file in files for line in file.read_text().splitlines())
    assert len(set(found)) == len(found)
    return found


def rows(folder):
    return lines(*folder.glob("boxes-*.jsonl"))


def assert_as_one_process(folder, base):
    assert rows(folder) == lines(base / "one/boxes.jsonl")
    assert lines(*folder.glob("skipped-*.jsonl")) == lines(base / "one/skipped.jsonl")
    told = json.loads((folder / "manifest.json").read_text())
    assert (told["images"], told["localized"], told["skipped"]) == (IMAGES, IMAGES - 2, 2)
    for shard in told["shards"]:
        assert len((folder / shard["file"]).read_text().splitlines()) == shard["localized"]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def wait_for_shards(folder, count, process):
    while process.poll() is None and len(list(folder.glob("boxes-*"))) < count:
        time.sleep(0.02)


def actors(base):
    """The processes that localize: they work in ``base``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                process.joinpath("cmdline").read_bytes().startswith(b"ray::")
                and process.joinpath("cwd").readlink() == base
            ):
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.exhaustive
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are found in /proc")
def test_actors_that_are_killed_lose_nothing_and_repeat_nothing(base, cluster):
    process = start(base, "photos", "--address", cluster, "--output", "killed")
    killed = set()
    for shards in (1, 3, 5):
        wait_for_shards(base / "killed", shards, process)
        for actor in actors(base)[: 1 if shards < 5 else 2]:
            os.kill(actor, signal.SIGKILL)
            killed.add(actor)
    code, said, told = finish(process)
    assert code == 1, told
    assert len(killed) >= 3
    assert said == "46 localized: killed/manifest.json, 2 skipped: killed/skipped-*.jsonl\n"
    assert_as_one_process(base / "killed", base)


@pytest.mark.exhaustive
def test_a_run_that_is_killed_goes_on_with_what_is_missing_and_with_what_is_new(base, cluster):
    listed, late = base / "list.txt", base / "photos/47.jpg"
    listed.write_text("".join(f"photos/{i:02}.jpg\n" for i in (47, *range(39))))
    words = ("list.txt", "--address", cluster, "--output", "begun", "--images-per-shard", "9")
    late.rename(base / "late.jpg")
    process = start(base, *words)
    wait_for_shards(base / "begun", 2, process)
    process.kill()
    (base / "late.jpg").rename(late)
    process.communicate()
    before = {path.name: path.read_bytes() for path in (base / "begun").glob("boxes-*.jsonl")}
    stamps = {name: (base / "begun" / name).stat().st_mtime_ns for name in before}
    assert 2 <= len(before) < 5
    with listed.open("a") as file:  # the last eight, and one that is known
        file.writelines(f"photos/{i:02}.jpg\n" for i in (38, *range(39, 47)))
    with (base / "begun/images.jsonl").open("a") as file:
        file.write('{"image": "planned but not yet in the manif')
    code, said, told = finish(start(base, *words))
    assert code == 1, told
    assert said == "46 localized: begun/manifest.json, 2 skipped: begun/skipped-*.jsonl\n"
    assert_as_one_process(base / "begun", base)
    kept = [name for name in before if not (base / "begun" / name.replace("boxes", "skipped")).exists()]
    assert {name: (base / "begun" / name).stat().st_mtime_ns for name in kept} == {name: stamps[name] for name in kept}
    shards = json.loads((base / "begun/manifest.json").read_text())["shards"]
    assert [shard["images"] for shard in shards] == [8] * 6


@pytest.mark.exhaustive
def test_an_image_that_kills_its_process_is_skipped_and_takes_no_other_with_it(base, cluster):
    deadly = base / "more/deadly.jpg"
    deadly.parent.mkdir()
    deadly.write_bytes((base / "photos/00.jpg").read_bytes())
    names = ["more/deadly.jpg", *(f"photos/{i:02}.jpg" for i in range(8))]
    (base / "deadly.jsonl").write_text("".join(json.dumps({"image": name}) + "\n" for name in names))
    code, _, told = finish(start(base, "deadly.jsonl", "--address", cluster, "--output", "deadly", "--num-actors", "1"))
    assert code == 1, told
    expected = [line for line in lines(base / "one/boxes.jsonl") if json.loads(line)["image"] in names]
    assert rows(base / "deadly") == expected
    skipped = [json.loads(line) for line in lines(*(base / "deadly").glob("skipped-*.jsonl"))]
    assert [row["image"] for row in skipped] == ["more/deadly.jpg", "photos/05.jpg"]
    assert "more/deadly.jpg" in skipped[0]["problem"]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of so many pages, which can be made larger."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "none", tmp_path]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.exhaustive
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(base, cluster, small_disk, monkeypatch, capsys):
    """At first on a Ray of its own; in Parquet, which label and report take as they take rows of JSON."""
    output = small_disk / "full"
    words = ("photos", "--output", str(output), "--format", "parquet")
    code, said, told = finish(start(base, *words))
    assert (code, said) == (2, ""), told
    assert "No space left on device" in told
    assert "Traceback" not in told
    assert 0 < len(list(output.glob("boxes-*.parquet"))) < 12
    monkeypatch.chdir(base)
    assert main(["label", str(output), "--output", "some", "--image-files", "none"]) == 1
    assert "run the same command again" in (base / "some/problems.jsonl").read_text()

    subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)
    code, said, told = finish(start(base, *words, "--address", cluster))
    assert code == 1, told
    found = [row for file in row_files(output) for _, row in read_rows(file)]
    expected = [json.loads(line) for line in lines(base / "one/boxes.jsonl")]
    assert sorted(found, key=itemgetter("image")) == sorted(expected, key=itemgetter("image"))

    capsys.readouterr()
    for source in (output, "one"):
        assert main(["label", str(source), "--output", f"labels-{Path(source).name}", "--image-files", "none"]) == 1
        assert "92 objects in 46 images, 2 problems" in capsys.readouterr().out
        assert main(["report", str(source)]) == 0
    labels = [next((base / f"labels-{name}/coco").rglob("*.json")).read_text() for name in ("full", "one")]
    assert labels[0] == labels[1]
    shown = [
        sorted(read_report_data(folder).items, key=attrgetter("name", "label")) for folder in (output, Path("one"))
    ]
    assert shown[0] == shown[1]
    assert len(shown[0]) == 92


def test_what_does_not_go_together_is_refused(base, monkeypatch, capsys):
    monkeypatch.chdir(base)
    for words, value in (
        (["--shard", "1/2"], "--shard 1/2"),
        (["--num-actors", "0"], "--num-actors"),
        (["--address", "127.0.0.1:1", "--output", "nowhere"], "127.0.0.1:1"),
        (["--output", "one"], "engine"),
    ):
        assert main(["localize", "photos", *FAST, "--engine", "ray", *words]) == 2
        told = capsys.readouterr().err
        assert value in told
        assert 1 <= len(told.splitlines()) <= 2
    assert not (base / "nowhere").exists()
