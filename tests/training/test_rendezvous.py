"""Processes share texts, and none waits for one that is gone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from weakspot.errors import InputError
from weakspot.training import rendezvous
from weakspot.training.rendezvous import Rendezvous


@pytest.fixture
def three():
    """Three that have met, here in threads."""
    store = HashStore()
    with ThreadPoolExecutor(3) as threads:
        yield list(threads.map(lambda rank: Rendezvous(store, rank, 3), range(3))), threads


def test_each_hears_what_all_say_in_the_order_of_their_numbers(three):
    met, threads = three
    assert list(threads.map(lambda one, text: one.share(text), met, "abc")) == [["a", "b", "c"]] * 3
    assert list(threads.map(lambda one, text: one.share(text), met, "xyz")) == [["x", "y", "z"]] * 3


def test_whoever_waits_for_one_that_has_gone_is_told(three):
    met, threads = three
    waiting = [threads.submit(one.share, "still here") for one in met[:2]]
    met[2].close()
    for one in waiting:
        with pytest.raises(InputError, match=r"^Another process of this training has ended\.") as refused:
            one.result(timeout=60)
        assert len(str(refused.value).splitlines()) == 2


def test_whoever_comes_alone_is_told(monkeypatch):
    monkeypatch.setattr(rendezvous, "_ARRIVAL", timedelta(seconds=0.5))
    monkeypatch.setattr(rendezvous, "rendezvous", lambda *_, **__: iter([(HashStore(), 0, 2)]))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(InputError, match="Another process of this training has ended"),
        rendezvous.rendezvous_of_nodes(),
    ):
        raise AssertionError


def test_a_process_that_torchrun_has_not_started_hears_itself():
    with rendezvous.rendezvous_of_nodes() as share:
        assert share("hello") == ["hello"]
