"""Exact texts of the command line: one transcript per command in ``golden/``.

Run with ``GOLDEN=write`` to write the transcripts after an intended change. No other test pins prose.
"""

import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from results_made import row, write_localized
from squares import HEADER, Scene, write, write_csv

from weakspot.cli import review as reviewing
from weakspot.cli import serve as serving
from weakspot.cli.app import app, main
from weakspot.cli.export import print_exported
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.serving.tokens import TOKEN

GOLDEN = Path(__file__).with_name("golden")
SCENES = (
    Scene("red/a", (("red", (20, 10, 80, 60)),), masked=True),
    Scene("green/b", (("green", (50, 30, 110, 75)),)),
    Scene("blue/val", (("blue", (10, 10, 70, 50)),), "val"),
)
TINY = "--backbone test_efficientnet --weights none --input-size 64 --workers 0 --batch-size 4 --epochs 2"


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys, one_thread):
    """Run command lines in an empty folder, and compare their transcript with a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("weakspot.io.progress._SECONDS_BETWEEN_LINES", float("inf"))  # on a busy machine
    lines = []

    def run(command):
        capsys.readouterr()
        code = main(shlex.split(command)[1:])
        out, err = capsys.readouterr()
        lines.append(f"$ {command}\n{out}{err}[exit {code}]\n")

    def compare(name, decimals="keep"):
        text = "\n".join(lines).replace(str(tmp_path), ".")
        if decimals == "mask":  # numbers that depend on the machine
            text = re.sub(r"\d+\.\d+(e-\d+)?", "#", text)
            text = re.sub(r"\(# s(, \d+ s left)?\)", "(# s)", text)
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
        file = GOLDEN / f"{name}.txt"
        if os.environ.get("GOLDEN") == "write":
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        assert text == file.read_text()

    run.compare = compare
    return run


def images(folder, count):
    Path(folder).mkdir()
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path(folder, f"{i}.png"))


def score_maps(folder):
    """Write maps that decrease from the center of the image."""
    rows, columns = np.mgrid[-1:1:224j, -1:1:224j]
    for scene in SCENES:
        file = Path(folder, f"{scene.name}.npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, (1 - np.maximum(abs(rows), abs(columns))).astype(np.float32))


def test_localize(shell):
    images("photos", 3)
    Path("photos/1.png").write_bytes(b"no image")
    shell("weakspot localize")
    shell("weakspot localize photos --threshold 7")
    shell("weakspot localize photos --doubt")
    shell("weakspot localize photos --num-actors 2")
    shell("weakspot localize photos --input-size 64 --quality plain --output out")
    shell("weakspot localize photos --input-size 64 --quality plain --output out --resume --method cam")
    shell.compare("localize")


def test_evaluate_and_compare(shell):
    write("data", SCENES)
    score_maps("maps")
    shell("weakspot evaluate data")
    shell("weakspot evaluate data --score-maps maps --test-split tset")
    shell("weakspot evaluate data --score-maps maps --samples 0 --output out")
    shell("weakspot evaluate data --score-maps maps --samples 0 --output out")
    shell("weakspot compare data")
    shell.compare("evaluate")


def test_train(shell):
    write_scenes(Path("shapes"), {"train": 12, "val": 4, "test": 4}, SceneSettings(2, size=64))
    shell("weakspot train")
    shell("weakspot train missing")
    shell("weakspot train shapes --from runs/cam")
    shell("weakspot train shapes --width 1024")
    shell(f"weakspot train shapes {TINY}")
    shell.compare("train", decimals="mask")


def test_label(shell):
    images("photos", 3)
    rows = [row(Path("photos", f"{i}.png"), width=80, height=60) for i in range(3)]
    Path("found").mkdir()
    Path("found/boxes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rows))
    shell("weakspot label")
    shell("weakspot label found --min-score 2")
    shell("weakspot label found --format csv --output out")
    shell("weakspot label found --format csv --output out")
    shell.compare("label")


def test_export(shell, capsys, exported_run):
    images("photos", 1)
    shell("weakspot export test_resnet.r160_in1k --int8")
    shell("weakspot export test_resnet.r160_in1k -o model.pt")
    shell.compare("export")
    capsys.readouterr()
    print_exported(exported_run[0])
    text = re.sub(r"\d+\.\d+e-\d+", "#", capsys.readouterr().out)
    difference = "logits differ by # of their standard deviation, maps by # of their range"
    assert f"32-bit floats: {difference}; same class in 100% of 3 images" in text


def test_serve(shell, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    shell("weakspot serve --host 0.0.0.0")
    shell("weakspot serve --timeout 0")
    monkeypatch.setattr(serving, "serve", lambda *_, on_start: on_start("http://127.0.0.1:8000"))
    shell("weakspot serve")
    shell.compare("serve")


def test_review(shell, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    write_localized(Path("found"))
    shell("weakspot review run --port 0")
    shell("weakspot review found --output out --port 0")
    shell("weakspot review found --host 0.0.0.0")
    monkeypatch.setattr(reviewing, "review", lambda *_, on_start: on_start("http://127.0.0.1:8001"))
    shell("weakspot review found")
    shell.compare("review")


def test_report(shell):
    write_localized(Path("found"))
    Path("empty").mkdir()
    shell("weakspot report empty")
    shell("weakspot report found --max-items 0")
    shell("weakspot report found")
    shell.compare("report")


def test_check(shell):
    write("data", SCENES)
    shell("weakspot check missing")
    shell("weakspot check data")
    Path("data/images/green/b.png").unlink()
    write_csv(
        Path("data/annotations.csv"), HEADER, [("red/a", 80, 10, 20, 60, "red"), ("green/b", 5, 5, 9, 9, "green")]
    )
    shell("weakspot check data")
    shell.compare("check")


def test_usage(shell):
    shell("weakspot")
    shell("weakspot locallize photos")
    shell("weakspot localize photos --treshold 0.3")
    shell("weakspot localize photos --boxes split")
    shell.compare("usage")


@pytest.mark.parametrize("command", ["localize", "train", "evaluate", "compare", "label", "export", "serve", "report"])
def test_help_fits_on_two_screens(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main([command, "--help"]) == 0
    assert len(capsys.readouterr().out.splitlines()) <= 2 * 50


def test_every_option_belongs_to_a_group():
    groups = {"Data", "Model", "Method", "Boxes", "Training", "Output", "Cluster", "Advanced", "Service", "Limits"}
    for name in ("localize", "train", "evaluate", "compare", "label", "export", "serve", "report"):
        for argument in app[name].assemble_argument_collection():
            if argument.name.startswith("--") and argument.parse and not argument.field_info.is_positional:
                assert {group.name for group in argument.parameter.group} <= groups, argument.names
