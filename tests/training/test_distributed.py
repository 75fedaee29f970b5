"""Which process writes, how many there must be, and what they exchange."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from refusals import refused
from small_runs import SMALL
from torch.distributed import HashStore

from weakspot.data import read_dataset
from weakspot.training import distributed, train
from weakspot.training.distributed import (
    Rendezvous,
    check_same_config,
    is_peer_failure,
    join_nodes,
)
from weakspot.training.launch import check_world_size, is_rank_zero
from weakspot.training.options import TrainOptions
from weakspot.training.setup import set_up

OPTIONS = TrainOptions(**SMALL)


@pytest.fixture
def by_torchrun(monkeypatch):
    """The environment of the first process on the second of two nodes with four processes each."""
    environment = {"RANK": "4", "LOCAL_RANK": "0", "GROUP_WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "4"}
    for name, value in {"TORCHELASTIC_RUN_ID": "1", **environment}.items():
        monkeypatch.setenv(name, value)


def test_one_process_of_all_nodes_has_rank_zero(by_torchrun, monkeypatch):
    assert not is_rank_zero()
    monkeypatch.setenv("RANK", "0")
    assert is_rank_zero()


def test_a_process_that_lightning_started_does_not_have_rank_zero(monkeypatch):
    assert is_rank_zero()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not is_rank_zero()


def test_the_numbers_of_torchrun_are_accepted(by_torchrun):
    check_world_size(TrainOptions(nodes=2, devices=4))


@pytest.mark.parametrize("wrong", [{}, {"nodes": 2}, {"devices": 4}, {"nodes": 4, "devices": 2}, {"devices": 8}])
def test_other_numbers_than_those_of_torchrun_are_refused(wrong, by_torchrun):
    with refused("world-size-mismatch", "--nnodes 2 --nproc-per-node 4"):
        check_world_size(TrainOptions(**wrong))


def test_several_nodes_without_torchrun_are_refused(tmp_path):
    with refused("options-conflict", "--nodes 2", "torchrun --nnodes 2 --nproc-per-node 1"):
        train(tmp_path, nodes=2)


def test_errors_of_gloo_are_those_of_another_process():
    assert is_peer_failure(RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer"))
    assert not is_peer_failure(RuntimeError("CUDA out of memory"))


@pytest.fixture
def three():
    """Three connected processes, here threads."""
    store = HashStore()
    with ThreadPoolExecutor(3) as threads:
        yield list(threads.map(lambda rank: Rendezvous(store, rank, 3), range(3))), threads


def test_all_processes_receive_all_strings_by_rank(three):
    members, threads = three
    for texts in ("abc", "xyz"):
        gathered = list(threads.map(lambda member, text: member.all_gather_str(text), members, texts))
        assert gathered == [list(texts)] * 3


def test_waiting_for_a_process_that_has_exited_fails(three):
    members, threads = three
    waiting = [threads.submit(member.all_gather_str, "still here") for member in members[:2]]
    members[2].close()
    for future in waiting:
        with refused("peer-process-exited"):
            future.result(timeout=300)


def test_a_process_without_peers_fails(monkeypatch):
    monkeypatch.setattr(distributed, "_CONNECT_TIMEOUT", timedelta(seconds=0.5))
    monkeypatch.setattr(distributed, "rendezvous", lambda *_, **__: iter([(HashStore(), 0, 2)]))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with refused("peer-process-exited"), join_nodes():
        raise AssertionError


def test_a_process_without_torchrun_receives_its_own_string():
    with join_nodes() as all_gather_str:
        assert all_gather_str("hello") == ["hello"]


@pytest.fixture(scope="module")
def setup(scenes):
    return set_up(read_dataset(scenes), OPTIONS)


def digest(setup, options):
    """Return what a process sends to the others."""
    texts = []
    check_same_config(setup, options, lambda text: texts.append(text) or [text])
    return texts[0]


def test_processes_with_different_configurations_are_refused(setup):
    with refused("config-mismatch"):
        check_same_config(setup, OPTIONS, lambda text: [text, "another"])


def test_paths_may_differ_but_options_and_images_may_not(setup, tmp_path):
    assert digest(setup, replace(OPTIONS, output=tmp_path, workers=7)) == digest(setup, OPTIONS)
    training = replace(setup.data.training, samples=setup.data.training.samples[1:])
    fewer = replace(setup, data=replace(setup.data, training=training))
    assert len({digest(setup, OPTIONS), digest(setup, replace(OPTIONS, seed=1)), digest(fewer, OPTIONS)}) == 3
