"""Two nodes that torchrun has started, here with one process each, train as one with twice the batch."""

import socket
import subprocess

import numpy as np
import pytest
from small_runs import ENVIRONMENT, command, rows, small, weights, write_discs
from trees import plant

HALF = {"freeze": "backbone", "epochs": 3, "lr": 0.01}
DYING = """
import os, signal
from weakspot.__main__ import main
from weakspot.training.learner import Learner

step = Learner.training_step

def dying_step(learner, *words):
    if learner.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(learner, *words)

Learner.training_step = dying_step
main()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Batches of eight come out even in training, and not in validation."""
    return write_discs(tmp_path_factory.mktemp("nodes"), {"train": 24, "val": 7})


def run_on_two_nodes(*programs):
    """Run a program on each of two nodes: exit code, lines of output, and errors of both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there = f"--nnodes=2 --nproc-per-node=1 --master-addr=127.0.0.1 --master-port={port} --monitor-interval=0.1"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    agents = []
    for node, (python, *words) in enumerate(programs):
        torchrun = [python, "-m", "torch.distributed.run", *there.split(), f"--node-rank={node}"]
        agents.append(subprocess.Popen([*torchrun, *words], env=ENVIRONMENT, **pipes))
    try:
        told = [agent.communicate(timeout=200) for agent in agents]
    finally:
        for agent in agents:
            agent.terminate()
    return [(agent.returncode, out.splitlines(), err) for agent, (out, err) in zip(agents, told, strict=True)]


@pytest.fixture(scope="module")
def broken(data, tmp_path_factory):
    """The folder of a run whose second node was killed in its third epoch, and what both nodes said."""
    folder = tmp_path_factory.mktemp("broken")
    taken = plant(folder / "two", {"state.ckpt": b"of another run"})
    words = command(data, **HALF, device="cpu", nodes=2, save_every=0, output=taken)
    dying = folder.parent / "dying.py"
    dying.write_text(DYING)
    options = words[words.index("train") :]
    return folder / "two-2", run_on_two_nodes(words, [words[0], str(dying), *options])


def test_a_node_that_dies_ends_the_other_which_says_how_to_go_on(broken):
    run, ((code, out, err), (other_code, other_out, _)) = broken
    assert (code, out) == (1, [])
    assert (other_code, other_out) == (1, [])
    told = err.splitlines()  # torchrun's own report comes behind what weakspot says
    end = told.index(f"Go on with: weakspot train --resume {run}")
    assert told[end - 1] == "Another process of this training has ended."
    assert "Traceback" not in "".join(told[:end])
    assert sorted(path.name for path in run.parent.iterdir()) == ["latest", "two", "two-2"]
    assert len(rows(run)) == 2


def test_two_nodes_go_on_and_have_trained_as_one_with_twice_the_batch(broken, data, tmp_path):
    run, _ = broken
    words = command()
    resumed = [*words[: words.index("train") + 1], f"--resume={run}"]
    (code, out, err), other = run_on_two_nodes(resumed, resumed)
    assert (code, out) == (0, [str(run)]), err
    assert other == (0, [], "")
    assert "Traceback" not in err
    assert "Warning" not in err
    assert sorted(path.name for path in run.parent.iterdir()) == ["latest", "two", "two-2"]
    one = small(data, tmp_path / "one", **HALF, batch_size=8)
    assert [row["step"] for row in rows(run)] == [3, 6, 9]
    for found, expected in zip(rows(run), rows(one), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    found, expected = weights(run), weights(one)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)
