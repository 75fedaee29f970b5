"""Two processes train like one with twice the batch size."""

import subprocess

import numpy as np
import pytest
from small_runs import ENVIRONMENT, command, rows, small, weights, write_discs
from trees import plant

pytestmark = pytest.mark.long

HALF = {"freeze": "backbone", "epochs": 3, "lr": 0.01}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images that divide evenly into batches of eight in training, and not in validation."""
    return write_discs(tmp_path_factory.mktemp("ddp"), {"train": 24, "val": 7})


@pytest.mark.exhaustive
def test_two_processes_train_like_one_with_twice_the_batch_size(data, tmp_path):
    existing = plant(tmp_path / "two", {"state.ckpt": b"of another run", "mine.txt": "keep me"})
    words = command(data, **HALF, devices=2, device="cpu", output=existing)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, env=ENVIRONMENT, **pipes)
    try:
        single = small(data, tmp_path / "alone" / "one", **HALF, batch_size=8)  # while the other two start
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, err
    run = tmp_path / "two-2"
    assert out.splitlines() == [str(run)]
    assert "Traceback" not in err
    assert "Warning" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "latest", "two", "two-2"]
    assert sorted(path.name for path in existing.iterdir()) == ["mine.txt", "state.ckpt"]
    assert [row["step"] for row in rows(run)] == [3, 6, 9]
    for row, expected_row in zip(rows(run), rows(single), strict=True):
        assert row == pytest.approx(expected_row, abs=1e-4)
    actual, expected = weights(run), weights(single)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=1e-5, err_msg=name)
