"""Two processes train as one with twice the batch."""

import subprocess

import numpy as np
import pytest
from small_runs import ENVIRONMENT, command, rows, small, weights, write_discs

HALF = {"freeze": "backbone", "epochs": 3, "lr": 0.01}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Batches of eight come out even in training, and not in validation."""
    return write_discs(tmp_path_factory.mktemp("ddp"), {"train": 24, "val": 7})


def test_two_processes_train_as_one_with_twice_the_batch(data, tmp_path):
    words = command(data, **HALF, devices=2, device="cpu", strategy="ddp", output=tmp_path / "two")
    process = subprocess.run(words, env=ENVIRONMENT, capture_output=True, timeout=120, check=False, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [str(tmp_path / "two")]
    assert "Traceback" not in process.stderr
    assert "Warning" not in process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "two"]
    one = small(data, tmp_path / "one", **HALF, batch_size=8)
    assert [row["step"] for row in rows(tmp_path / "two")] == [3, 6, 9]
    for found, expected in zip(rows(tmp_path / "two"), rows(one), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    found, expected = weights(tmp_path / "two"), weights(one)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)
