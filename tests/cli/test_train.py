"""``weakspot train`` in-process, and the commands that take what it leaves."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from weakspot.cli.app import main
from weakspot.data.synthetic import SceneSettings, write_scenes

OPTIONS = (
    "--backbone=test_efficientnet",
    "--weights=none",
    "--input-size=64",
    "--workers=0",
    "--batch-size=4",
    "--epochs=2",
    "--learn-from=labels",
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command") / "shapes"
    return write_scenes(folder, {"train": 12, "val": 4, "test": 4}, SceneSettings(2, size=64))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("command") / "run"
    assert main(["train", str(data), *OPTIONS, "--lr=0.01", f"--output={folder}"]) == 0
    return folder


def same(run, other):
    found, expected = (load_file(Path(one) / "model.safetensors") for one in (run, other))
    return found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in found)


def test_a_run_is_named_after_its_data_and_its_folder_alone_is_printed(data, here, capsys):
    for expected in ("runs/shapes", "runs/shapes-2"):
        assert main(["train", str(data), *OPTIONS]) == 0
        out, err = capsys.readouterr()
        assert out == f"{expected}\n"
        first, *lines = err.splitlines()
        assert first == "It learns from labels alone."
        assert lines[0].startswith(
            "12 training and 4 validation images, 2 classes; cam on test_efficientnet (trainable"
        )
        assert re.fullmatch(r"epoch 2 of 2: loss \d\.\d{3}, val loss .* s left\)", lines[2])
        assert lines[3] == "Fitting the foreground head on the training images."
        assert lines[4] == "Choosing the threshold on 4 heatmaps."
        assert re.fullmatch(r"Best epoch: [12], validation accuracy \d\.\d{3}; threshold \d\.\d\d: .+", lines[5])
        assert len(lines) == 6
        written = {path.name for path in Path(expected).iterdir()}
        logged = {"metrics.jsonl", "train.log", "validation.jsonl"}
        assert written == {"config.toml", "curves.svg", "model.safetensors"} | logged
        assert Path(expected, "train.log").read_text(encoding="utf-8").splitlines() == [first, *lines]
    assert Path("runs/latest").resolve() == here / "runs" / "shapes-2"


def test_the_configuration_of_a_run_gives_the_same_weights_again(run, here, capsys):
    assert main(["train", f"--config={run / 'config.toml'}", "--output=again"]) == 0
    assert same("again", run)


def test_what_is_given_beside_a_configuration_is_taken(run, here):
    assert main(["train", f"--config={run / 'config.toml'}", "--output=other", "--seed=5", "--epochs=1"]) == 0
    assert not same("other", run)
    assert len(Path("other/metrics.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "data"),
        (["missing"], "missing"),
        (["--resume=missing"], "missing"),
        (["--config=missing.toml"], "missing.toml"),
        (["--config=a", "--resume=b"], "--resume"),
        (["data", "--epochs=ten"], "epochs"),
        (["data", "--epoks=3"], "--epoks"),
    ],
)
def test_wrong_arguments_are_refused(words, problem, here, capsys):
    assert main(["train", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert problem in err
    assert len(err.splitlines()) <= 2
    assert list(here.iterdir()) == []


def test_a_finished_run_is_not_resumed(run, capsys):
    assert main(["train", f"--resume={run}"]) == 2
    assert str(run) in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_the_command_that_goes_on(data, here, run, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("weakspot.training.run.finalize", interrupted)
    Path("config.toml").write_text(
        Path(run, "config.toml").read_text().replace("save_every = 30.0", "save_every = 0.0")
    )
    assert main(["train", "--config=config.toml", "--lr=0.01", "--output=run"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-2:] == ["Interrupted.", "The state is saved. Resume with: weakspot train --resume run"]
    monkeypatch.undo()
    assert main(["train", f"--resume={here / 'run'}"]) == 0
    assert same(here / "run", run)


def test_a_run_localizes(run, data, here):
    image = next((data / "images").rglob("*.jpg"))
    assert main(["localize", str(image), f"--model={run}", "--output=out"]) == 0
    assert any(Path("out").iterdir())


def test_a_run_is_evaluated_at_its_own_threshold(run, data, here, capsys):
    assert main(["evaluate", str(run), str(data), "--output=out", "--samples=0"]) == 0
    assert json.loads(Path("out/metrics.json").read_text())
    assert "GT-known Loc" in capsys.readouterr().out


def test_runs_are_compared(run, data, here, capsys):
    assert main(["compare", str(run), str(data), "--output=out", "--samples=0"]) == 0
    assert "cam" in capsys.readouterr().out


def test_the_configuration_has_what_auto_has_chosen(here, data):
    assert main(["train", str(data), *OPTIONS, "--output=run"]) == 0
    assert 'freeze = "none"' in Path("run/config.toml").read_text().splitlines()
