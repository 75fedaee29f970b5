"""The figures of two processes, each with its part of the images, are those of one process with all."""

import json
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from weakspot.metrics import AUPRO, ImageAUROC, MaxBoxAccV2, PxAP, TopKLoc

IMAGES = 10
FIRST = 3  # images of the first process: the parts are not of one size


def data():
    random = np.random.default_rng(0)
    masks = np.zeros((IMAGES, 16, 16), np.uint8)
    corners = random.integers(0, 8, (IMAGES, 2))
    for mask, (x, y) in zip(masks, corners, strict=True):
        mask[y : y + 8, x : x + 8] = 1
    boxes = [[[x, y, x + 7, y + 7]] for x, y in corners.tolist()]
    maps = 0.3 * masks + 0.7 * random.random(masks.shape)
    return maps, masks, boxes, random.random((IMAGES, 4)), random.integers(0, 4, IMAGES), np.arange(IMAGES) % 2


def filled(images):
    """Every metric over some of the images."""
    maps, masks, boxes, logits, labels, groups = data()
    options = {"groups": 2, "samples": 300}
    metrics = {"v2": MaxBoxAccV2(**options), "pxap": PxAP(**options), "top": TopKLoc(2, 0.5, **options)}
    metrics |= {"aupro": AUPRO(**options), "auroc": ImageAUROC(**options)}
    some = [boxes[i] for i in range(IMAGES)[images]]
    metrics["v2"].update(maps[images], some, groups[images])
    metrics["pxap"].update(maps[images], masks[images], groups[images])
    metrics["aupro"].update(maps[images], masks[images], groups[images])
    metrics["auroc"].update(logits[images, 0], labels[images] > 0, groups[images])
    metrics["top"].update(maps[images], some, logits[images], labels[images], groups[images])
    return metrics


def figures(metric):
    """What a metric says, of the images of all processes: as plain values."""
    if isinstance(metric, ImageAUROC):
        return [metric.compute().item(), metric.per_group().tolist(), metric.interval()]
    (sums, total), (_, group_totals) = metric.totals(), metric.totals("group")
    found = {
        "figure": metric.compute().item(),
        "groups": metric.per_group().tolist(),
        "images": [total.item(), *group_totals.tolist()],
        "sums": sums.tolist(),
        "interval": metric.interval(),
    }
    with metric.sync_context():  # there they are synchronised already
        assert metric.interval() == found["interval"]
    return found


def run(rank, folder):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(seconds=100)
    )
    metrics = filled([slice(FIRST), slice(FIRST, None)][rank])
    found = {name: figures(metric) for name, metric in metrics.items()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def run_second(_, folder):
    torch.set_num_threads(1)
    run(1, folder)


@pytest.fixture(scope="module")
def processes(tmp_path_factory, one_thread):
    """What each of two processes says: this one, and one more, whose start takes seconds."""
    folder = tmp_path_factory.mktemp("processes")
    other = multiprocessing.spawn(partial(run_second, folder=folder), nprocs=1, join=False)
    run(0, folder)
    assert other.join(100)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.long
@pytest.mark.parametrize("name", ["v2", "pxap", "top", "aupro"])
def test_two_processes_find_the_figures_of_one(processes, name):
    whole = figures(filled(slice(None))[name])
    for rank in (0, 1):
        found = processes[rank][name]
        assert found["figure"] == pytest.approx(whole["figure"], rel=1e-6)
        assert found["groups"] == pytest.approx(whole["groups"], rel=1e-12)
        assert found["images"] == whole["images"] == [10, 5, 5]
        assert found["sums"] == pytest.approx(whole["sums"], rel=1e-12)


def test_two_processes_keep_the_scores_of_all_images(processes):
    whole = json.loads(json.dumps(figures(filled(slice(None))["auroc"])))
    assert processes[0]["auroc"] == processes[1]["auroc"] == whole


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["v2", "pxap", "top", "aupro"])
def test_two_processes_agree_on_an_interval_that_holds_the_figure(processes, name):
    one, other = (processes[rank][name] for rank in (0, 1))
    low, high = one["interval"]
    assert one["interval"] == other["interval"]
    assert np.isfinite([low, high]).all()
    assert low - 1e-3 <= one["figure"] <= high + 1e-3


def test_each_process_draws_its_own_bootstrap_counts(processes):
    """With the counts of the other the samples would weigh the images 0 and 3, 1 and 4, 2 and 5 alike."""
    together, rest = filled(slice(FIRST))["pxap"], filled(slice(FIRST, None))["pxap"]
    together.merge_state(rest)  # in one process both draw the same
    assert processes[0]["pxap"]["interval"] != pytest.approx(together.interval(), abs=1e-3)
