"""A resumed run ends with the same weights, to the bit, as an uninterrupted one."""

import json
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from refusals import refused
from safetensors.torch import save_file
from small_runs import ENVIRONMENT, assert_same, command, rows, save_each_step, small, write_discs

from weakspot.errors import ModelError
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.training import train
from weakspot.training.checkpointing import IntervalCheckpoint
from weakspot.training.datamodule import WsolDataModule
from weakspot.training.lightning_module import WsolModule
from weakspot.training.options import TrainOptions
from weakspot.training.run_config import resolve_request
from weakspot.training.run_folder import read_config, write_config

# Two or three batches an epoch, the last one smaller: states are saved in mid-epoch and at the end of an epoch.
METHODS = {
    "cam": {"batch_size": 16},
    "acol+cutmix+adl": {"backbone": "test_resnet", "batch_size": 8, "accumulate_grad_batches": 2, "width": 8},
}
LONG = {"epochs": 5, "batch_size": 2}


@pytest.fixture(scope="module")
def uninterrupted(scenes, tmp_path_factory):
    return small(scenes, tmp_path_factory.mktemp("long") / "run", **LONG)


def start(scenes, folder):
    """Start a run in another process, and wait until its second epoch."""
    words = command(save_each_step(folder.parent / "config.toml", scenes), **LONG, output=folder)
    process = subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 600
    while not (folder / "metrics.jsonl").exists() or not (folder / "state.ckpt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


@pytest.mark.exhaustive
def test_a_killed_run_resumes_to_the_same_weights(scenes, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = start(scenes, folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "model.safetensors").exists()
    assert 1 <= len(rows(folder)) < 5
    assert train(resume=folder) == folder
    assert_same(folder, uninterrupted)
    assert not (folder / "state.ckpt").exists()


@pytest.mark.exhaustive
def test_ctrl_c_names_the_command_that_resumes_to_the_same_weights(scenes, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = start(scenes, folder)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=600)[1].decode()
    assert process.returncode == 130
    assert f"weakspot train --resume {folder}" in err.splitlines()[-1]
    assert "Traceback" not in err
    train(resume=folder)
    assert_same(folder, uninterrupted)


@pytest.fixture
def saved_states(monkeypatch):
    """Copies of the run folder at each saved state."""
    copies = []

    def save(checkpoint, trainer, original=IntervalCheckpoint._save):
        original(checkpoint, trainer)
        folder = checkpoint._path.parent
        copies.append(folder.with_name(f"state-{len(copies)}"))
        shutil.copytree(folder, copies[-1])

    monkeypatch.setattr(IntervalCheckpoint, "_save", save)
    return copies


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_from_any_state_to_the_same_weights(method, scenes, saved_states, tmp_path, monkeypatch):
    run = small(scenes, tmp_path / "run", method=method, save_every=0, **METHODS[method])
    monkeypatch.undo()
    assert len(saved_states) == 4  # two optimizer steps in each of two epochs
    for copy in saved_states:
        assert_same(train(resume=copy), run)


def test_a_run_that_stops_early_stops_at_the_same_epoch_when_resumed(scenes, saved_states, tmp_path, monkeypatch):
    run = small(scenes, tmp_path / "run", epochs=9, lr=1.0, patience=1, save_every=0, batch_size=10)
    assert len(rows(run)) < 9
    monkeypatch.undo()
    for copy in saved_states[-2:]:  # at the end of the last epoch but one, and in the last one
        assert_same(train(resume=copy), run)


def test_a_run_that_was_interrupted_before_its_first_step_starts_again(scenes, scenes_run, tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.training.fit._criterion", _interrupt)
    with pytest.raises(KeyboardInterrupt, match="weakspot train --resume"):
        small(scenes, tmp_path / "run")
    monkeypatch.undo()
    assert_same(train(resume=tmp_path / "run"), scenes_run)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_after_the_current_step(signal_number, scenes, scenes_run, tmp_path, monkeypatch):
    batches, previous = [], signal.getsignal(signal_number)

    def step(module, batch, batch_idx, original=WsolModule.training_step):
        batches.append(batch_idx)
        if len(batches) == 7:
            signal.raise_signal(signal_number)
        return original(module, batch, batch_idx)

    monkeypatch.setattr(WsolModule, "training_step", step)
    with pytest.raises(KeyboardInterrupt, match="weakspot train --resume"):
        small(scenes, tmp_path / "run")
    monkeypatch.undo()
    assert batches == [0, 1, 2, 3, 4, 0, 1]
    assert signal.getsignal(signal_number) is previous
    assert_same(train(resume=tmp_path / "run"), scenes_run)


def test_a_second_ctrl_c_stops_at_once(scenes, tmp_path, monkeypatch):
    def step(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    previous = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(WsolModule, "training_step", step)
    with pytest.raises(KeyboardInterrupt, match="weakspot train --resume"):
        small(scenes, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is previous
    assert not (tmp_path / "run" / "state.ckpt").exists()


@pytest.fixture(scope="module")
def interrupted(scenes, tmp_path_factory):
    """The folder of a run that was interrupted after its last step."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weakspot.training.run.finalize", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            small(scenes, folder, save_every=0)
    return folder


def _interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changes", "code", "values"),
    [
        ({"epochs": 7}, "options-mismatch", ("epochs", "'2'", "'7'")),
        ({"method": "acol"}, "options-mismatch", ("method", "'cam'", "'acol'")),
        ({"data": "elsewhere"}, "options-mismatch", ("data", "elsewhere")),
        ({"config": "config.toml"}, "options-conflict", ("--config", "--resume")),
    ],
)
def test_a_run_is_resumed_with_its_own_options_only(changes, code, values, interrupted):
    with refused(code, *values):
        train(resume=interrupted, **changes)
    assert (interrupted / "state.ckpt").exists()


def test_options_that_change_no_weight_may_change(interrupted, scenes, scenes_run, tmp_path):
    copy = shutil.copytree(interrupted, tmp_path / "copy")
    assert train(scenes, resume=copy, workers=1, device="cpu", output=tmp_path / "elsewhere") == copy
    assert not (tmp_path / "elsewhere").exists()
    assert_same(copy, scenes_run)


@pytest.fixture
def moving(interrupted, scenes, tmp_path):
    """A copy of the interrupted run and of its data set, in the place that its configuration names."""
    run, data = Path(shutil.copytree(interrupted, tmp_path / "run")), Path(shutil.copytree(scenes, tmp_path / "data"))
    write_config(run, data, read_config(run / "config.toml")[1])
    return run, data


def test_a_moved_data_set_is_named_and_the_run_goes_on_with_its_new_place(moving, scenes_run, tmp_path):
    run, data = moving
    data.rename(tmp_path / "moved")
    with refused("folder-not-found", data, f"--resume {run}"):
        train(resume=run)
    train(tmp_path / "moved", resume=run)
    assert_same(run, scenes_run)
    assert read_config(run / "config.toml")[0] == tmp_path / "moved"


def test_labels_in_a_moved_data_set_move_with_it(moving, tmp_path):
    run, data = moving
    options = read_config(run / "config.toml")[1]
    write_config(run, data, replace(options, labels=data / "labels.csv", images=Path("/images")))
    data.rename(tmp_path / "moved")
    request = resolve_request(tmp_path / "moved", TrainOptions(), config=None, resume=run)
    assert (request.options.labels, request.options.images) == (tmp_path / "moved" / "labels.csv", Path("/images"))


@pytest.fixture
def in_folders(tmp_path, monkeypatch):
    """An interrupted run, and its images in folders of classes."""
    data = write_discs(tmp_path / "discs", {"": 8})
    monkeypatch.setattr("weakspot.training.run.finalize", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        small(data, tmp_path / "run", save_every=0)
    return tmp_path / "run", data


def test_a_data_set_with_another_class_is_refused(in_folders):
    run, data = in_folders
    (data / "red").rename(data / "yellow")
    write_discs(data, {"": 8})
    with refused("data-changed", run, "new class yellow"):
        train(resume=run)
    shutil.rmtree(data / "yellow")
    shutil.rmtree(data / "red")
    (data / "blue").rename(data / "none")
    shutil.copytree(data / "none", data / "red")
    with refused("data-changed", run, "class none"):
        train(resume=run)
    assert (run / "state.ckpt").exists()


def test_a_data_set_with_other_images_is_refused(in_folders):
    run, data = in_folders
    image = data / "red" / "000.png"
    original = image.read_bytes()
    image.unlink()
    with refused("data-changed", "7 images instead of 8"):
        train(resume=run)
    picture = Image.new("RGB", (64, 64), "red")
    picture.save(image)
    same_size = image.read_bytes().ljust(len(original), b"\0")
    assert len(same_size) == len(original)
    for content in (original + b"more", same_size):
        image.write_bytes(content)
        with refused("data-changed", "other images"):
            train(data, resume=run)


def test_a_run_without_a_record_of_its_images_is_resumed_in_its_place_only(moving, scenes_run, tmp_path):
    run, data = moving
    (run / "data.json").unlink()
    shutil.copytree(data, tmp_path / "moved")
    with refused("options-mismatch", "moved"):
        train(tmp_path / "moved", resume=run)
    train(resume=run)
    assert_same(run, scenes_run)


def test_a_run_without_a_record_of_its_images_records_them_when_resumed(in_folders, monkeypatch, capsys):
    run, data = in_folders
    before = (run / "data.json").read_bytes()
    (run / "data.json").unlink()
    monkeypatch.setattr("weakspot.training.run.finalize", _interrupt)
    for times in (1, 0):
        with pytest.raises(KeyboardInterrupt):
            train(resume=run)
        assert capsys.readouterr().err.count("does not record its data") == times
        assert (run / "data.json").read_bytes() == before
    next((data / "red").iterdir()).unlink()
    with refused("data-changed", "7 images instead of 8"):
        train(resume=run)


@pytest.mark.parametrize(
    ("added", "value"),
    [(["extra/a.png"], "3 classes instead of 2"), ([f"red/x{i}.png" for i in range(40)], "steps instead of 2")],
)
def test_a_run_without_a_record_of_its_images_is_compared_with_its_state(in_folders, added, value):
    run, data = in_folders
    (run / "data.json").unlink()
    image = next((data / "red").iterdir())
    for name in added:
        (data / name).parent.mkdir(exist_ok=True)
        shutil.copy(image, data / name)
    with refused("data-changed", run, value):
        train(resume=run)
    assert not (run / "data.json").exists()


def test_a_damaged_record_is_refused(moving):
    run, _ = moving
    (run / "data.json").write_text("{")
    with refused("damaged-file", run / "data.json"):
        train(resume=run)


def test_a_finished_run_cannot_be_resumed(scenes_run):
    with refused("run-finished", scenes_run):
        train(resume=scenes_run)


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_a_run_cannot_be_resumed(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with refused("run-not-found", tmp_path / name):
        train(resume=tmp_path / name)


def test_a_damaged_state_is_refused(interrupted, tmp_path):
    copy = Path(shutil.copytree(interrupted, tmp_path / "copy"))
    (copy / "state.ckpt").write_bytes((copy / "state.ckpt").read_bytes()[:1000])
    with refused("damaged-file", copy / "state.ckpt"):
        train(resume=copy)


@pytest.mark.parametrize("damage", [dict.clear, lambda state: state["optimizer_states"][0].clear()])
def test_a_state_that_lacks_something_is_refused(damage, interrupted, tmp_path):
    copy = Path(shutil.copytree(interrupted, tmp_path / "copy"))
    state = torch.load(copy / "state.ckpt", weights_only=True)
    damage(state)
    torch.save(state, copy / "state.ckpt")
    with refused("damaged-file", copy / "state.ckpt"):
        train(resume=copy)


def test_what_fails_before_the_first_step_is_not_taken_for_a_damaged_state(interrupted, tmp_path, monkeypatch):
    def fail(_):
        raise RuntimeError("cannot start a worker")

    copy = Path(shutil.copytree(interrupted, tmp_path / "copy"))
    monkeypatch.setattr(WsolDataModule, "train_dataloader", fail)
    with pytest.raises(RuntimeError, match="worker"):
        train(resume=copy)


def test_a_teacher_or_weights_that_have_changed_are_refused(scenes, scenes_run, tmp_path, monkeypatch):
    """They are named by paths, under which there may be others by now."""
    monkeypatch.setattr("weakspot.training.run.finalize", _interrupt)
    teacher, file = Path(shutil.copytree(scenes_run, tmp_path / "teacher")), tmp_path / "weights.safetensors"
    save_file(load_backbone(), file)
    runs = {"teacher": {"method": "psol", "teacher": teacher}, "weights": {"weights": file}}
    for name, options in runs.items():
        with pytest.raises(KeyboardInterrupt):
            small(scenes, tmp_path / f"run-{name}", save_every=0, **options)
        assert json.loads((tmp_path / f"run-{name}" / "data.json").read_text())["model_hashes"].keys() == {name}
    rewrite_metadata(teacher, replace(read_metadata(teacher), threshold_from="elsewhere"))
    file.write_bytes(file.read_bytes() + b"more")
    for name, path in (("teacher", teacher), ("weights", file)):
        with refused("model-changed", f"--{name} {path}", tmp_path / f"run-{name}", kind=ModelError):
            train(resume=tmp_path / f"run-{name}")
        assert (tmp_path / f"run-{name}" / "state.ckpt").exists()


def test_a_run_that_did_not_record_its_weights_is_resumed_and_that_is_said(scenes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("weakspot.training.run.finalize", _interrupt)
    save_file(load_backbone(), tmp_path / "weights.safetensors")
    with pytest.raises(KeyboardInterrupt):
        small(scenes, tmp_path / "run", save_every=0, weights=tmp_path / "weights.safetensors")
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    del record["model_hashes"]
    (tmp_path / "run" / "data.json").write_text(json.dumps(record))
    capsys.readouterr()
    with pytest.raises(KeyboardInterrupt):
        train(resume=tmp_path / "run")
    assert capsys.readouterr().err.count("does not say which weights") == 1


def load_backbone():
    return timm.create_model("test_efficientnet").state_dict()


@pytest.mark.exhaustive
@pytest.mark.long
def test_a_run_that_is_still_training_is_not_resumed_and_loses_nothing(scenes, tmp_path):
    folder = tmp_path / "run"
    process = start(scenes, folder)
    process.send_signal(signal.SIGSTOP)  # it does not end in the meantime
    try:
        with refused("output-in-use", folder, f"process {process.pid}"):
            train(resume=folder)
        other = small(scenes, folder, epochs=1)  # a new run gets a new folder
        assert other == tmp_path / "run-2"
    finally:
        process.kill()
        process.communicate()
    assert (folder / "state.ckpt").exists()
    assert train(resume=folder) == folder  # its process is gone
    assert not list(folder.glob(".*"))
