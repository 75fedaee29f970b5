"""Problems with data, options and output are reported before anything is computed."""

import errno
import json
import shutil
from collections import namedtuple

import pytest
from lightning.pytorch import Trainer
from refusals import refused
from small_runs import SMALL, small, write_discs

from weakspot.cli.app import main
from weakspot.errors import ModelError
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
    assert str(tmp_path / "run" / "skipped.jsonl") in err.splitlines()[-1]
    skipped = [json.loads(line) for line in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()]
    assert [row["image"] for row in skipped] == [
        str(data / "train" / "red" / "000.png"),
        str(data / "val" / "blue" / "001.png"),
    ]
    assert all(row["problem"] and "hint" in row for row in skipped)


def test_skipped_images_are_a_success_for_torchrun(data, tmp_path, monkeypatch):
    damage(data, "train/red/000.png")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    assert main(["train", str(data), *OPTIONS, "--max-unreadable=0.1", f"--output={tmp_path / 'run'}"]) == 0
    assert (tmp_path / "run" / "skipped.jsonl").exists()


def test_too_many_unreadable_images_are_refused_and_leave_no_folder(data, tmp_path):
    damage(data, "train/red/000.png", "val/blue/001.png")
    with refused("images-unreadable", "2 of 24 images", "000.png", "0.05"):
        small(data, tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_data_without_a_readable_image_is_refused_however_many_may_be_unreadable(data, tmp_path):
    damage(data, *(path.relative_to(data) for path in (data / "train").rglob("*.png")))
    with refused("images-unreadable", "18 of 24 images"):
        small(data, tmp_path / "run", max_unreadable=1.0)


def test_a_class_without_a_readable_image_is_refused(data, tmp_path):
    damage(data, *(path.relative_to(data) for path in (data / "train" / "red").glob("*.png")))
    with refused("images-unreadable", "class red", f"weakspot check {data}"):
        small(data, tmp_path / "run", max_unreadable=1.0)
    assert not (tmp_path / "run").exists()


def test_training_does_without_validation_if_its_images_are_unreadable(data, tmp_path):
    damage(data, *(path.relative_to(data) for path in (data / "val").rglob("*.png")))
    run = small(data, tmp_path / "run", max_unreadable=1.0, epochs=1)
    assert "val_loss" not in (run / "metrics.jsonl").read_text()
    assert (run / "model.safetensors").exists()


@pytest.fixture
def _no_setup(monkeypatch):
    """Fail if anything is computed."""

    def set_up(*_):
        raise AssertionError

    monkeypatch.setattr("weakspot.training.run.set_up", set_up)


@pytest.mark.usefixtures("_no_setup")
def test_an_output_inside_a_file_is_refused_before_anything_is_computed(data, tmp_path):
    (tmp_path / "file").touch()
    with refused("not-writable", tmp_path / "file"):
        small(data, tmp_path / "file" / "run")


@pytest.mark.usefixtures("_no_setup")
def test_a_read_only_output_is_refused_before_anything_is_computed(data, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with refused("not-writable", tmp_path):
        small(data, tmp_path / "run")


@pytest.mark.usefixtures("_no_setup")
def test_an_unknown_logger_is_refused_before_anything_is_computed(data, tmp_path):
    with refused("unknown-logger", "'tensorbord'", "tensorboard?"):
        small(data, tmp_path / "run", logger=("tensorbord",))


def test_a_misspelled_backbone_is_refused_before_an_image_is_read(data, tmp_path, monkeypatch):
    def read(*_, **__):
        raise AssertionError

    monkeypatch.setattr("weakspot.training.setup.split_samples", read)
    with pytest.raises(ModelError, match="resnet5O"):
        small(data, tmp_path / "run", backbone="resnet5O")


def test_a_full_disk_is_refused_before_a_folder_is_created(data, tmp_path, monkeypatch):
    usage = namedtuple("usage", ("total", "used", "free"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with refused("disk-full", "0 MB free"):
        small(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("failing_save", [1, 7])
def test_a_state_that_cannot_be_written_is_reported_and_leaves_no_partial_file(
    failing_save, data, tmp_path, monkeypatch
):
    calls = []

    def save(trainer, path, original=Trainer.save_checkpoint):
        calls.append(path)
        if len(calls) == failing_save:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(trainer, path)

    monkeypatch.setattr(Trainer, "save_checkpoint", save)
    with refused("not-writable", "state.ckpt", "No space left on device"):
        small(data, tmp_path / "run", save_every=0)
    monkeypatch.undo()
    if failing_save == 1:  # nothing was learned, so no folder remains
        assert not (tmp_path / "run").exists()
        return
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"config.toml", "data.json", "metrics.jsonl", "state.ckpt", "train.log"}
    assert shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert (train(resume=tmp_path / "copy") / "model.safetensors").exists()


def test_a_run_that_fails_before_its_first_step_leaves_no_folder(data, tmp_path):
    with refused("lightning-options-invalid", "7-bit"):
        small(data, tmp_path / "run", precision="7-bit")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "code", "values"),
    [
        ({"epochs": 0}, "out-of-range", ("epochs", 0)),
        ({"batch_size": 0}, "out-of-range", ("batch_size", 0)),
        ({"nodes": 0}, "out-of-range", ("nodes", 0)),
        ({"lr": float("nan")}, "out-of-range", ("lr", "nan")),
        ({"seed": -1}, "out-of-range", ("seed", -1)),
        ({"max_unreadable": 4}, "out-of-range", ("max_unreadable", 4)),
        ({"freeze": "head"}, "unknown-value", ("freeze", "'head'")),
        ({"epoch": 3}, "unknown-option", ("'epoch'", "epochs")),
        ({"accumulate": 3}, "unknown-option", ("'accumulate'", "accumulate_grad_batches")),
        ({"method": "psol"}, "missing-teacher", ("--teacher",)),
        ({"method": "acol", "teacher": "x"}, "options-conflict", ("--method psol", "acol")),
    ],
)
def test_invalid_options_are_refused(options, code, values, data, tmp_path):
    with refused(code, *values):
        small(data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_data_set_is_required(tmp_path):
    with refused("missing-data"):
        train(output=tmp_path / "run")


def test_another_process_that_fails_removes_no_folder(data, tmp_path, monkeypatch):
    """Rank 0 may write to a numbered folder, which the other processes do not know."""
    existing = tmp_path / "existing"
    existing.mkdir()
    (existing / "notes.txt").write_text("keep me")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with refused("lightning-options-invalid", "7-bit"):
        small(data, existing, precision="7-bit")
    assert (existing / "notes.txt").read_text() == "keep me"
