import pytest
from results_made import figure

from weakspot.evaluation.map_scores import FULL_IMAGE
from weakspot.report.metric_table import BASELINES, Cell, metric_table


def table(**rows):
    return metric_table({name: {"figures": figures} for name, figures in rows.items()})


def test_a_cell_has_both_thresholds_and_half_of_the_interval():
    assert table(cam={"PxAP": figure(50.0, 66.66)}).rows == (
        ("cam", False, (Cell("50.0", "±4.0", "0.5", "66.7", "0.25", best=True),)),
    )


def test_the_best_map_is_marked_and_a_baseline_never_is():
    rows = metric_table(
        {
            name: {"figures": {"A": figure(value, value)}}
            for name, value in (("cam", 60.0), ("gradcam", 70.0), ("full-image box", 80.0))
        }
    ).rows
    assert [(name, baseline, cells[0].best) for name, baseline, cells in rows] == [
        ("cam", False, False),
        ("gradcam", False, True),
        ("full-image box", True, False),
    ]
    assert rows[2][2][0].fixed_at == "", "one box at every threshold"


def test_what_is_not_known_stays_empty():
    found = table(cam={"A": figure(1.0, 2.0)}, acol={"B": figure(1.0, 2.0) | {"fixed": None, "fixed_interval": None}})
    assert found.metrics == ("A", "B")
    assert found.rows[0][2][1] == Cell()
    assert found.rows[1][2][1] == Cell(oracle="2.0", oracle_at="0.25", fixed_at="0.5")


def test_a_metric_without_thresholds_has_one_figure():
    found = table(cam={"PxAP": figure(50.0, 50.0, fixed_thresholds=[], oracle_thresholds=[])})
    assert found.rows[0][2][0] == Cell("50.0", "±4.0", best=True)


def test_baselines_are_those_of_an_evaluation():
    assert FULL_IMAGE in BASELINES


@pytest.mark.parametrize("rows", [{"cam": {}}, {"cam": 3}, {"cam": {"figures": {"A": {"fixed": 1}}}}])
def test_something_else_is_refused(rows):
    with pytest.raises((KeyError, TypeError)):
        metric_table(rows)
