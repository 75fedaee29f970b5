"""The charts of figures, as SVG."""

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest

from weakspot.evaluation.charts import charts
from weakspot.evaluation.map_scores import Scores
from weakspot.evaluation.metric_collection import MetricCollection
from weakspot.evaluation.results import Evaluation, MethodResult

BASELINES = ("centred Gaussian", "full-image box")
SVG = "{http://www.w3.org/2000/svg}"
AT = {"GT-known Loc": (199,), "mask IoU": (199,), "MaxBoxAcc": (199,), "MaxBoxAccV2": (199,) * 3}


def tally(seed, boxes=True, masks=True):
    random, filled = np.random.default_rng(seed), MetricCollection()
    for _ in range(8):
        overlap = np.clip(random.uniform(0.3, 1.2) - np.linspace(0, 1, 1000), 0, 1)
        counts = random.integers(0, 9, (2, 1002), dtype=np.int32)
        scores = Scores(*(overlap if boxes else None,) * 3, overlap if masks else None, counts if masks else None)
        filled.update([scores], [None], np.zeros((1, 2), np.intp))
    return filled


def evaluation(*names, chosen=AT, overlaps=(0, 2, 0, 5), split="test", **options):
    rows = {}
    for seed, name in enumerate([*names, *BASELINES]):
        one = tally(seed, **options)
        rows[name] = MethodResult(one.compute(chosen), "by hand", one, overlaps)
    return Evaluation("photos", split, None, rows)


def parsed(svg):
    return ElementTree.fromstring(svg)


def words(svg):
    return [" ".join("".join(node.itertext()).split()) for node in parsed(svg).iter(f"{SVG}text")]


def curves(svg):
    """Points of the lines in the axes, in the picture's own pixels (y grows downwards), by their colour."""
    found = {}
    for path in parsed(svg).iter(f"{SVG}path"):
        colour = re.search(r"stroke: (#\w+)", path.get("style", ""))
        if colour and path.get("clip-path") and "stroke-width: 1.5" in path.get("style"):
            points = re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d"))
            found[colour[1]] = np.array(points, np.float64)
    return found


def test_box_accuracy_is_a_curve_for_each_row_with_names_and_both_thresholds():
    svg = charts(evaluation("cam", "gradcam"))["box-accuracy.svg"]
    said = words(svg)
    assert {"cam", "gradcam", *BASELINES, "GT-known Loc, test"} <= set(said)
    assert any(word.startswith("oracle ") for word in said)
    assert any(word.startswith("fixed ") for word in said)
    assert list(curves(svg)) == ["#0072b2", "#d55e00", "#7f7f7f"]  # the baselines are both grey


def test_the_box_accuracy_curve_is_drawn_at_its_figures():
    found = evaluation("cam")
    points = curves(charts(found)["box-accuracy.svg"])["#0072b2"]
    curve = found.first.collection.metrics["GT-known Loc"].details()["curves"][0]
    assert curve[0] > 50
    assert curve[-1] == 0
    across = np.interp(points[:, 0], points[[0, -1], 0], [0.001, 1])
    per_percent = (points[-1, 1] - points[0, 1]) / curve[0]
    heights = (points[-1, 1] - points[:, 1]) / per_percent
    for x, height in zip(across, heights, strict=True):
        around = curve[max(0, int(x * 1000) - 4) : int(x * 1000) + 3]
        assert around.min() - 0.5 <= height <= around.max() + 0.5
    assert (np.diff(points[:, 1]) >= 0).all()


def test_without_a_fixed_threshold_only_the_oracle_is_marked():
    said = words(charts(evaluation("cam", chosen={}))["box-accuracy.svg"])
    assert any(word.startswith("oracle ") for word in said)
    assert not any(word.startswith("fixed ") for word in said)


def test_the_histogram_names_its_row_and_marks_what_is_right():
    svg = charts(evaluation("cam", "other", overlaps=(1, 0, 2, 3)))["overlaps.svg"]
    assert "Boxes of cam at the fixed threshold, test" in words(svg)
    assert svg.decode().lower().count("fill: #0072b2") == 2  # the bins from .5 on


def test_precision_and_recall_are_drawn_where_there_are_masks():
    drawn = charts(evaluation("cam", "gradcam"))
    figures = evaluation("cam", "gradcam").rows
    for name, row in figures.items():
        assert f"{name}, PxAP {row.metrics['PxAP'].fixed:.1f}" in words(drawn["precision-recall.svg"])


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param({}, {"box-accuracy.svg", "overlaps.svg", "precision-recall.svg"}, id="everything"),
        pytest.param({"masks": False}, {"box-accuracy.svg", "overlaps.svg"}, id="boxes"),
        pytest.param({"boxes": False, "overlaps": (0, 0)}, {"precision-recall.svg"}, id="masks"),
        pytest.param({"masks": False, "overlaps": (0, 0)}, {"box-accuracy.svg"}, id="no threshold"),
    ],
)
def test_there_is_a_chart_for_what_was_measured(options, names):
    assert set(charts(evaluation("cam", **options))) == names


def test_the_same_figures_give_the_same_bytes():
    assert charts(evaluation("cam", "gradcam")) == charts(evaluation("cam", "gradcam"))
    assert charts(evaluation("cam")) != charts(evaluation("gradcam"))


def test_no_date_and_no_font_is_in_the_file():
    svg = charts(evaluation("cam"))["box-accuracy.svg"].decode()
    assert "<dc:date>" not in svg
    assert "GT-known Loc, test" in svg


def test_of_many_rows_the_first_five_and_the_baselines_are_drawn():
    names = [f"method {i}" for i in range(9)]
    said = words(charts(evaluation(*names, masks=False))["box-accuracy.svg"])
    assert [word for word in said if word in (*names, *BASELINES)] == [*names[:5], *BASELINES]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("<b> & 'c'", id="markup"),
        pytest.param("карты für alle", id="other letters"),
        pytest.param("_maps", id="underscore first"),
        pytest.param("maps $5", id="a dollar"),
        pytest.param("a $\\frac{$ b", id="broken mathematics"),
        pytest.param("地图", id="letters that the font lacks"),
    ],
)
def test_any_name_is_drawn_as_it_is_and_nothing_is_warned_of(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = charts(evaluation(name))
    assert name in words(drawn["box-accuracy.svg"])
    assert f"Boxes of {name} at the fixed threshold, test" in words(drawn["overlaps.svg"])
