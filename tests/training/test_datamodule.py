"""Batches as a function of seed, epoch and process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.training.datamodule import EpochBatchSampler

num_images = st.integers(1, 60)
batch_sizes = st.integers(1, 9)
world_sizes = st.integers(1, 4)
seeds = st.integers(0, 99)


def batches_of_processes(images, batch_size, world_size, seed, epoch=0):
    samplers = [
        EpochBatchSampler(images, batch_size, seed=seed, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [list(sampler) for sampler in samplers]


def indices(batches):
    return [i for batch in batches for _, i in batch]


@given(num_images, batch_sizes, world_sizes, seeds)
def test_processes_step_together_and_share_the_batches_of_a_single_process(images, batch_size, world_size, seed):
    shared = batches_of_processes(images, batch_size, world_size, seed)
    (single,) = batches_of_processes(images, batch_size * world_size, 1, seed)
    assert len({len(batches) for batches in shared}) == 1
    for number, parts in enumerate(zip(*shared, strict=True)):
        assert len({len(part) for part in parts}) == 1
        whole, distributed = indices([single[number]]), indices(parts)
        assert set(distributed) <= set(whole)
        assert len(whole) - len(distributed) < world_size  # only what cannot be divided evenly is dropped
        assert len(whole) == len(distributed) or number == len(single) - 1
    assert len(single) - len(shared[0]) in (0, 1)


@given(num_images, batch_sizes, seeds, st.integers(0, 9))
def test_an_epoch_contains_each_image_once(images, batch_size, seed, epoch):
    (batches,) = batches_of_processes(images, batch_size, 1, seed, epoch)
    assert sorted(indices(batches)) == list(range(images))
    assert {key_epoch for batch in batches for key_epoch, _ in batch} == {epoch}
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert batches == batches_of_processes(images, batch_size, 1, seed, epoch)[0]


@pytest.mark.parametrize("other", [{"seed": 1, "epoch": 0}, {"seed": 0, "epoch": 1}])
def test_another_seed_or_epoch_gives_another_order(other):
    assert indices(batches_of_processes(50, 5, 1, **other)[0]) != indices(batches_of_processes(50, 5, 1, seed=0)[0])


@given(num_images, batch_sizes, world_sizes)
def test_validation_covers_each_image_once_over_all_processes(images, batch_size, world_size):
    shared = batches_of_processes(images, batch_size, world_size, None)
    assert sorted(i for batches in shared for i in indices(batches)) == list(range(images))


@given(num_images, batch_sizes, world_sizes, seeds, st.integers(0, 12))
def test_skip_applies_to_one_epoch(images, batch_size, world_size, seed, skipped):
    sampler = EpochBatchSampler(images, batch_size, seed=seed, world_size=world_size)
    batches = list(sampler)
    sampler.skip(skipped)
    assert len(sampler) == len(batches)  # Lightning counts the skipped batches, too
    assert list(sampler) == batches[skipped:]
    assert list(sampler) == batches


def test_all_orders_are_equally_likely():
    first = [indices(batches_of_processes(4, 4, 1, seed=0, epoch=epoch)[0])[0] for epoch in range(400)]
    assert np.bincount(first).min() > 60
