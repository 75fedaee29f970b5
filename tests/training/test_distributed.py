"""Which process writes, and how many there have to be."""

import pytest

from weakspot.errors import InputError
from weakspot.training import train
from weakspot.training.distributed import check_world_size, is_peer_failure, is_rank_zero
from weakspot.training.options import TrainOptions


@pytest.fixture
def by_torchrun(monkeypatch):
    """As torchrun starts it on the second of two nodes with four processes each."""
    told = {"RANK": "4", "LOCAL_RANK": "0", "GROUP_WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "4"}
    for name, value in {"TORCHELASTIC_RUN_ID": "1", **told}.items():
        monkeypatch.setenv(name, value)


def test_one_process_of_all_nodes_is_the_first(by_torchrun, monkeypatch):
    assert not is_rank_zero()
    monkeypatch.setenv("RANK", "0")
    assert is_rank_zero()


def test_beside_a_process_that_lightning_has_started_the_other_is_the_first(monkeypatch):
    assert is_rank_zero()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not is_rank_zero()


def test_as_many_as_torchrun_has_started_are_taken(by_torchrun):
    check_world_size(TrainOptions(nodes=2, devices=4))


@pytest.mark.parametrize("wrong", [{}, {"nodes": 2}, {"devices": 4}, {"nodes": 4, "devices": 2}, {"devices": 8}])
def test_another_number_than_torchrun_has_started_is_refused(wrong, by_torchrun):
    with pytest.raises(InputError, match=r"^torchrun has started --nnodes 2 --nproc-per-node 4, and") as refused:
        check_world_size(TrainOptions(**wrong))
    assert len(str(refused.value).splitlines()) == 2


def test_several_nodes_without_torchrun_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"^--nodes 2 was given, and torchrun has not") as refused:
        train(tmp_path, nodes=2)
    assert "torchrun --nnodes 2 --nproc-per-node 1" in refused.value.hint


def test_no_nodes_are_refused(tmp_path):
    with pytest.raises(InputError, match="nodes = 0 is below 1"):
        train(tmp_path, nodes=0)


def test_errors_of_gloo_are_those_of_another():
    assert is_peer_failure(RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer"))
    assert not is_peer_failure(RuntimeError("CUDA out of memory"))
