import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.training.sampler import EpochBatchSampler

images = st.integers(1, 60)
sizes = st.integers(1, 9)
processes = st.integers(1, 4)
seeds = st.integers(0, 99)


def shares(images, size, processes, seed, epoch=0):
    """The batches of each process."""
    found = [EpochBatchSampler(images, size, seed=seed, rank=rank, processes=processes) for rank in range(processes)]
    for one in found:
        one.set_epoch(epoch)
    return [list(one) for one in found]


def numbers(batches):
    return [i for batch in batches for _, i in batch]


@given(images, sizes, processes, seeds)
def test_processes_step_together_and_make_up_the_batches_of_one(images, size, processes, seed):
    apart = shares(images, size, processes, seed)
    (alone,) = shares(images, size * processes, 1, seed)
    assert len({len(one) for one in apart}) == 1
    for number, batch in enumerate(zip(*apart, strict=True)):
        assert len({len(share) for share in batch}) == 1
        whole = numbers([alone[number]])
        dealt = numbers(batch)
        assert set(dealt) <= set(whole)
        assert len(whole) - len(dealt) < processes  # only what cannot be dealt out evenly is left out
        assert len(whole) == len(dealt) or number == len(alone) - 1
    assert len(alone) - len(apart[0]) in (0, 1)


@given(images, sizes, seeds, st.integers(0, 9))
def test_an_epoch_has_each_image_once_in_an_order_of_its_own(images, size, seed, epoch):
    (batches,) = shares(images, size, 1, seed, epoch)
    assert sorted(numbers(batches)) == list(range(images))
    assert {told for batch in batches for told, _ in batch} == {epoch}
    assert all(len(batch) == size for batch in batches[:-1])
    assert batches == shares(images, size, 1, seed, epoch)[0]


@pytest.mark.parametrize("other", [{"seed": 1, "epoch": 0}, {"seed": 0, "epoch": 1}])
def test_another_seed_or_epoch_gives_another_order(other):
    assert numbers(shares(50, 5, 1, **other)[0]) != numbers(shares(50, 5, 1, seed=0)[0])


@given(images, sizes, processes)
def test_validation_covers_each_image_once_over_all_processes(images, size, processes):
    apart = shares(images, size, processes, None)
    assert sorted(i for one in apart for i in numbers(one)) == list(range(images))


@given(images, sizes, processes, seeds, st.integers(0, 12))
def test_the_first_batches_of_one_epoch_are_left_out_once(images, size, processes, seed, done):
    batches = EpochBatchSampler(images, size, seed=seed, processes=processes)
    whole = list(batches)
    batches.skip(done)
    assert len(batches) == len(whole)  # the epoch is as long as ever
    assert list(batches) == whole[done:]
    assert list(batches) == whole


def test_all_orders_are_as_likely():
    first = [numbers(shares(4, 4, 1, seed=0, epoch=epoch)[0])[0] for epoch in range(400)]
    assert np.bincount(first).min() > 60
