"""Two nodes under torchrun, here with one process each, train like one process with twice the batch size."""

import socket
import subprocess

import numpy as np
import pytest
from small_runs import ENVIRONMENT, command, rows, save_each_step, small, weights, write_discs
from trees import plant

pytestmark = pytest.mark.long

HALF = {"freeze": "backbone", "epochs": 3, "lr": 0.01}
DYING = """
import os, signal
from weakspot.__main__ import main
from weakspot.training.lightning_module import WsolModule

step = WsolModule.training_step

def dying_step(learner, *words):
    if learner.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(learner, *words)

WsolModule.training_step = dying_step
main()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images that divide evenly into batches of eight in training, and not in validation."""
    return write_discs(tmp_path_factory.mktemp("nodes"), {"train": 24, "val": 7})


def run_on_two_nodes(logs, *programs):
    """Run a program on each of two nodes; return the exit code, output lines and error lines of both programs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = f"--nnodes=2 --nproc-per-node=1 --master-addr=127.0.0.1 --master-port={port} --monitor-interval=0.1"
    agents = []
    for node, (python, *words) in enumerate(programs):
        redirect = ["--redirects=2", f"--log-dir={logs / str(node)}"]
        torchrun = [python, "-m", "torch.distributed.run", *launch.split(), f"--node-rank={node}", *redirect]
        agents.append(
            subprocess.Popen(
                [*torchrun, *words], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
    try:
        outputs = [agent.communicate(timeout=900)[0].splitlines() for agent in agents]
    finally:
        for agent in agents:
            agent.terminate()
    errors = [next((logs / str(node)).rglob("stderr.log")).read_text().splitlines() for node in range(len(agents))]
    return list(zip([agent.returncode for agent in agents], outputs, errors, strict=True))


@pytest.fixture(scope="module")
def broken(data, tmp_path_factory):
    """The folder of a run whose second node was killed in its third epoch, and the output of both nodes."""
    folder = tmp_path_factory.mktemp("broken")
    existing = plant(folder / "two", {"state.ckpt": b"of another run"})
    config = save_each_step(folder.parent / "config.toml", data)
    words = command(config, **HALF, device="cpu", nodes=2, output=existing)
    dying = folder.parent / "dying.py"
    dying.write_text(DYING)
    options = words[words.index("train") :]
    return folder / "two-2", run_on_two_nodes(folder.parent / "logs", words, [words[0], str(dying), *options])


@pytest.mark.exhaustive
def test_a_killed_node_ends_the_other_which_names_the_command_to_resume(broken):
    run, ((code, out, err), (other_code, other_out, _)) = broken
    assert (code, out) == (1, [])
    assert (other_code, other_out) == (1, [])
    assert err[-2] == "Another process of this training has exited."
    assert f"weakspot train --resume {run}" in err[-1]
    assert "Traceback" not in "".join(err)
    assert sorted(path.name for path in run.parent.iterdir()) == ["latest", "two", "two-2"]
    assert len(rows(run)) == 2


@pytest.mark.exhaustive
def test_two_nodes_resume_and_train_like_one_process_with_twice_the_batch_size(broken, data, tmp_path):
    run, _ = broken
    words = command()
    resumed = [*words[: words.index("train") + 1], f"--resume={run}"]
    (code, out, err), other = run_on_two_nodes(tmp_path / "logs", resumed, resumed)
    assert (code, out) == (0, [str(run)]), err
    assert other == (0, [], [])
    assert "Traceback" not in "".join(err)
    assert "Warning" not in "".join(err)
    assert sorted(path.name for path in run.parent.iterdir()) == ["latest", "two", "two-2"]
    single = small(data, tmp_path / "one", **HALF, batch_size=8)
    assert [row["step"] for row in rows(run)] == [3, 6, 9]
    for row, expected_row in zip(rows(run), rows(single), strict=True):
        assert row == pytest.approx(expected_row, abs=1e-4)
    actual, expected = weights(run), weights(single)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=1e-5, err_msg=name)
