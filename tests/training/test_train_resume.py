"""An interrupted run that goes on ends where one that was never interrupted does, to the bit."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from small_runs import ENVIRONMENT, assert_same, command, rows, small

from weakspot.errors import InputError
from weakspot.training import train
from weakspot.training.checkpointing import IntervalCheckpoint

# Three batches an epoch, of which the last is smaller: each state is in the middle of an epoch or at its end, and each
# is gone on from by a run of its own, which takes a second.
RECIPES = {
    "cam": {"epochs": 2, "batch_size": 8},
    "acol+cutmix+adl": {
        "backbone": "test_resnet",
        "epochs": 2,
        "batch_size": 8,
        "accumulate_grad_batches": 2,
        "width": 8,
    },
}
LONG = {"epochs": 5, "batch_size": 2, "save_every": 0}


@pytest.fixture(scope="module")
def uninterrupted(scenes, tmp_path_factory):
    return small(scenes, tmp_path_factory.mktemp("long") / "run", **LONG)


def started(scenes, folder):
    """A run in a process of its own, caught in its second epoch."""
    process = subprocess.Popen(
        command(scenes, **LONG, output=folder), env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    until = time.monotonic() + 100
    while not (folder / "metrics.jsonl").exists() or not (folder / "state.ckpt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)
    return process


@pytest.mark.long
def test_a_run_that_was_killed_goes_on_to_the_same_weights(scenes, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = started(scenes, folder)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()
    assert not (folder / "model.safetensors").exists()
    assert 1 <= len(rows(folder)) < 5
    assert train(resume=folder) == folder
    assert_same(folder, uninterrupted)
    assert not (folder / "state.ckpt").exists()


@pytest.mark.long
def test_ctrl_c_says_how_to_go_on_and_what_goes_on_ends_in_the_same_weights(scenes, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = started(scenes, folder)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=100)[1].decode()
    assert process.returncode == 130
    assert told.splitlines()[-2:] == [
        "Interrupted.",
        f"The state is saved. Go on with: weakspot train --resume {folder}",
    ]
    assert "Traceback" not in told
    train(resume=folder)
    assert_same(folder, uninterrupted)


@pytest.fixture
def saved_states(monkeypatch):
    """Have a copy of each state that is saved, and of all that the run folder holds then."""
    copies = []

    def save(saving, trainer, original=IntervalCheckpoint._save):
        original(saving, trainer)
        folder = saving._path.parent
        copies.append(folder.with_name(f"state-{len(copies)}"))
        shutil.copytree(folder, copies[-1])

    monkeypatch.setattr(IntervalCheckpoint, "_save", save)
    return copies


@pytest.mark.parametrize("method", RECIPES)
def test_a_run_goes_on_from_any_state_to_the_same_weights(method, scenes, saved_states, tmp_path, monkeypatch):
    run = small(scenes, tmp_path / "run", method=method, save_every=0, **RECIPES[method])
    copies = list(saved_states)
    monkeypatch.undo()
    steps = {"cam": 6, "acol+cutmix+adl": 4}[method]
    assert len(copies) == steps  # one for each step of the optimizer
    for copy in copies:
        assert_same(train(resume=copy), run)


def test_a_run_that_stops_early_stops_there_when_it_goes_on(scenes, saved_states, tmp_path, monkeypatch):
    run = small(scenes, tmp_path / "run", epochs=9, lr=1.0, patience=1, save_every=0, batch_size=10)
    assert len(rows(run)) < 9
    copies = list(saved_states)
    monkeypatch.undo()
    for copy in copies:
        assert_same(train(resume=copy), run)


def test_a_run_that_was_interrupted_before_its_first_step_begins(scenes, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("weakspot.training.fit._criterion", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^Nothing was learnt yet\. Go on with: weakspot train --resume"):
        small(scenes, tmp_path / "run", seed=3)
    monkeypatch.undo()
    assert_same(train(resume=tmp_path / "run"), small(scenes, tmp_path / "other", seed=3))


@pytest.mark.parametrize("stopping", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_behind_the_step_that_runs(stopping, scenes, tmp_path, monkeypatch):
    calls, before = [], signal.getsignal(stopping)

    def step(learner, batch, number, original):
        calls.append(number)
        if len(calls) == 7:
            signal.raise_signal(stopping)
        return original(learner, batch, number)

    with monkeypatch.context() as patch:
        from weakspot.training.lightning_module import WsolModule

        original = WsolModule.training_step
        patch.setattr(WsolModule, "training_step", lambda *words: step(*words, original))
        with pytest.raises(KeyboardInterrupt, match=r"^The state is saved\. Go on with"):
            small(scenes, tmp_path / "run", epochs=3)
    assert calls == [0, 1, 2, 3, 4, 0, 1]
    assert signal.getsignal(stopping) is before
    assert_same(train(resume=tmp_path / "run"), small(scenes, tmp_path / "other", epochs=3))


def test_ctrl_c_a_second_time_stops_at_once_and_says_how_to_go_on(scenes, tmp_path, monkeypatch):
    def step(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("weakspot.training.lightning_module.WsolModule.training_step", step)
    with pytest.raises(KeyboardInterrupt, match="Go on with: weakspot train --resume"):
        small(scenes, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    assert_same(train(resume=tmp_path / "run"), small(scenes, tmp_path / "other"))


@pytest.fixture(scope="module")
def interrupted(scenes, tmp_path_factory):
    """The folder of a run that was interrupted."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weakspot.training.run.finalize", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            small(scenes, folder, save_every=0)
    return folder


def _interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"epochs": 7}, "has epochs = '2', and now it is another."),
        ({"method": "acol"}, "has method = 'cam', and now it is another."),
        ({"data": "elsewhere"}, "and now it is another."),
        ({"config": "config.toml"}, "--config and --resume were both given."),
    ],
)
def test_a_run_goes_on_as_it_began_only(changes, problem, interrupted):
    with pytest.raises(InputError) as refused:
        train(resume=interrupted, **changes)
    assert problem in refused.value.problem
    assert len(str(refused.value).splitlines()) == 2
    assert (interrupted / "state.ckpt").exists()


def test_what_changes_no_weight_may_change_when_a_run_goes_on(interrupted, scenes, uninterrupted, tmp_path):
    copy = shutil.copytree(interrupted, tmp_path / "copy")
    assert train(scenes, resume=copy, workers=1, device="cpu", output=tmp_path / "elsewhere") == copy
    assert not (tmp_path / "elsewhere").exists()


def test_a_finished_run_does_not_go_on(uninterrupted):
    with pytest.raises(InputError, match="is finished") as refused:
        train(resume=uninterrupted)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_that_is_no_run_does_not_go_on(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no run"):
        train(resume=tmp_path / name)


def test_a_damaged_state_is_refused(interrupted, tmp_path):
    copy = Path(shutil.copytree(interrupted, tmp_path / "copy"))
    (copy / "state.ckpt").write_bytes((copy / "state.ckpt").read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged") as refused:
        train(resume=copy)
    assert len(str(refused.value).splitlines()) == 2
