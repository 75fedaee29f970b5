"""What cannot be read, or not be written, is told of before it costs anything."""

import errno
import json
import shutil
from collections import namedtuple

import pytest
from lightning.pytorch import Trainer
from small_runs import SMALL, small, write_discs

from weakspot.cli.app import main
from weakspot.errors import InputError, ModelError
from weakspot.training import train

OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in {**SMALL, "epochs": 1}.items()]


def damage(root, *names):
    for name in names:
        (root / name).write_bytes((root / name).read_bytes()[:200])


@pytest.fixture
def data(tmp_path):
    return write_discs(tmp_path / "data", {"train": 18, "val": 6})


def test_unreadable_images_are_skipped_counted_and_listed(data, tmp_path, capsys):
    damage(data, "train/red/000.png", "val/blue/001.png")
    code = main(["train", str(data), *OPTIONS, "--max-unreadable=0.1", f"--output={tmp_path / 'run'}"])
    out, err = capsys.readouterr()
    assert code == 1
    assert out.splitlines() == [str(tmp_path / "run")]
    assert "17 training and 5 validation images, 2 unreadable skipped" in err
    assert err.splitlines()[-1] == f"unreadable images were skipped: {tmp_path / 'run' / 'skipped.jsonl'}"
    listed = [json.loads(line) for line in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()]
    assert [one["image"] for one in listed] == [
        str(data / "train" / "red" / "000.png"),
        str(data / "val" / "blue" / "001.png"),
    ]
    assert all(one["problem"] and one["hint"] for one in listed)


def test_to_torchrun_skipped_images_are_no_failure(data, tmp_path, monkeypatch):
    damage(data, "train/red/000.png")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    assert main(["train", str(data), *OPTIONS, "--max-unreadable=0.1", f"--output={tmp_path / 'run'}"]) == 0
    assert (tmp_path / "run" / "skipped.jsonl").exists()


def test_too_many_unreadable_images_are_refused_and_leave_no_folder(data, tmp_path, capsys):
    damage(data, "train/red/000.png", "val/blue/001.png")
    code = main(["train", str(data), *OPTIONS, f"--output={tmp_path / 'run'}"])
    err = capsys.readouterr().err
    assert code == 2
    assert "2 images (8%) cannot be read, the first: " in err.splitlines()[-2]
    assert "--max-unreadable above 0.05" in err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_nothing_readable_is_refused_however_many_may_be_unreadable(data, tmp_path):
    damage(data, *(path.relative_to(data) for path in (data / "train").rglob("*.png")))
    with pytest.raises(InputError, match="cannot be read"):
        small(data, tmp_path / "run", max_unreadable=1.0)


def test_a_class_of_which_no_image_can_be_read_is_refused(data, tmp_path):
    damage(data, *(path.relative_to(data) for path in (data / "train" / "red").glob("*.png")))
    with pytest.raises(InputError, match="No training image of the class red can be read") as refused:
        small(data, tmp_path / "run", max_unreadable=1.0)
    assert f"weakspot check {data} lists them" in refused.value.hint
    assert not (tmp_path / "run").exists()


def test_an_image_that_goes_bad_only_in_validation_leaves_training_alone(data, tmp_path):
    damage(data, *(path.relative_to(data) for path in (data / "val").rglob("*.png")))
    run = small(data, tmp_path / "run", max_unreadable=1.0, epochs=1)
    assert "val_loss" not in (run / "metrics.jsonl").read_text()
    assert (run / "model.safetensors").exists()


@pytest.fixture
def uncomputed(monkeypatch):
    def computed(*_):
        raise AssertionError

    monkeypatch.setattr("weakspot.training.run.set_up", computed)


def test_an_output_below_a_file_is_refused_before_anything_is_computed(data, tmp_path, uncomputed):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        small(data, tmp_path / "file" / "run")


def test_a_read_only_output_is_refused_before_anything_is_computed(data, tmp_path, uncomputed, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="is read-only"):
        small(data, tmp_path / "run")


def test_an_unknown_logger_is_refused_before_anything_is_computed(data, tmp_path, uncomputed):
    with pytest.raises(InputError, match="no logger 'tensorbord'") as refused:
        small(data, tmp_path / "run", logger=("tensorbord",))
    assert refused.value.hint == "Did you mean tensorboard?"


def test_a_misspelt_backbone_is_refused_before_an_image_is_read(data, tmp_path, monkeypatch):
    def read(*_, **__):
        raise AssertionError

    monkeypatch.setattr("weakspot.training.setup.read_dataset", read)
    with pytest.raises(ModelError, match="There is no model 'resnet5O'"):
        small(data, tmp_path / "run", backbone="resnet5O")


def test_a_full_disk_is_refused_before_a_folder_is_made(data, tmp_path, monkeypatch):
    usage = namedtuple("usage", ("total", "used", "free"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(InputError, match=r"has 0 MB left, and the run needs about \d+ MB"):
        small(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("at", [1, 7])
def test_a_state_that_cannot_be_written_is_told_of_and_leaves_no_half_file(at, data, tmp_path, monkeypatch):
    calls = []

    def save(trainer, path, original=Trainer.save_checkpoint):
        calls.append(path)
        if len(calls) == at:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(trainer, path)

    monkeypatch.setattr(Trainer, "save_checkpoint", save)
    with pytest.raises(InputError, match=r"state\.ckpt cannot be written: No space left on device") as refused:
        small(data, tmp_path / "run", save_every=0)
    assert refused.value.hint == "Make room; what was saved before is still there."
    monkeypatch.undo()
    if at == 1:  # nothing was learnt, so nothing is left
        assert not (tmp_path / "run").exists()
        return
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"config.toml", "metrics.jsonl", "state.ckpt", "train.log"}
    assert shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert (train(resume=tmp_path / "copy") / "model.safetensors").exists()


def test_a_run_that_fails_before_it_learns_leaves_no_folder(data, tmp_path):
    with pytest.raises(InputError, match="lightning cannot train so"):
        small(data, tmp_path / "run", precision="7-bit")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"epochs": 0}, "epochs = 0 is below 1."),
        ({"batch_size": 0}, "batch_size = 0 is below 1."),
        ({"lr": float("nan")}, "lr = nan is below 0."),
        ({"seed": -1}, "seed = -1 is below 0."),
        ({"freeze": "head"}, "freeze = 'head' is none of its values."),
        ({"epoch": 3}, "train has no option 'epoch'."),
        ({"method": "spg", "freeze": "backbone"}, "SPG teaches the backbone, which is frozen"),
        ({"method": "camm"}, "There is no training method 'camm'."),
    ],
)
def test_senseless_options_are_refused_in_two_lines(changes, problem, data, tmp_path):
    with pytest.raises(InputError) as refused:
        small(data, tmp_path / "run", **changes)
    assert refused.value.problem.startswith(problem)
    assert len(str(refused.value).splitlines()) == 2
    assert not (tmp_path / "run").exists()


def test_no_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="No data set was named"):
        train(output=tmp_path / "run")


def test_another_process_that_fails_removes_no_folder(data, tmp_path, monkeypatch):
    """The first process writes to a folder with a number, of which the others know nothing."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("keep me")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(InputError, match="lightning cannot train so"):
        small(data, mine, precision="7-bit")
    assert (mine / "notes.txt").read_text() == "keep me"


def test_the_first_process_that_fails_before_it_has_learnt_leaves_nothing(data, tmp_path):
    with pytest.raises(InputError, match="lightning cannot train so"):
        small(data, tmp_path / "run", precision="7-bit")
    assert not (tmp_path / "run").exists()
