import pytest

from weakspot.evaluation.metric_collection import MetricValue
from weakspot.evaluation.tables import LEGEND, detail_table, markdown, summary_table

NAN = float("nan")
BOX = MetricValue(10, 70.04, (60.0, 80.0), (0.3214,), 66.66, (55.5, 77.7), (0.25,))
THREE = MetricValue(10, 50.0, None, (0.1, 0.2, 0.3), 40.0, None, (0.4, 0.5, 0.6))
UNFIXED = MetricValue(10, 33.33, (30.0, 40.0), (0.5,), NAN, None, ())
PIXELS = MetricValue(4, 61.25, (50.0, 70.0), (), 61.25, (50.0, 70.0), ())
ROWS = {
    "cam": {"GT-known Loc": BOX, "PxAP": PIXELS, "MaxBoxAccV2": THREE},
    "full-image box": {"GT-known Loc": UNFIXED},
}


def test_the_summary_says_of_each_figure_whether_it_is_oracle_or_fixed():
    header, cam, whole = summary_table(ROWS)
    assert header == [
        "map",
        "MaxBoxAccV2 oracle",
        "MaxBoxAccV2 fixed",
        "GT-known Loc oracle",
        "GT-known Loc fixed",
        "PxAP",
    ]
    assert cam == ["cam", "50.0", "40.0", "70.0", "66.7 ±11.1", "61.2 ±10.0"]
    assert whole == ["full-image box", "-", "-", "33.3", "-", "-"]


def test_details_stand_beside_the_other_rows():
    header, v2, loc, pixels = detail_table(ROWS)
    assert header == [
        *("metric", "images", "cam, oracle", "95 %", "at", "cam, fixed", "95 %", "at"),
        *("full-image box, oracle", "full-image box, fixed"),
    ]
    assert v2 == ["MaxBoxAccV2", "10", "50.0", "-", "0.100, 0.200, 0.300", "40.0", "-", "0.400, 0.500, 0.600", "-", "-"]
    assert loc == ["GT-known Loc", "10", "70.0", "60.0 to 80.0", "0.321", "66.7", "55.5 to 77.7", "0.250", "33.3", "-"]
    assert pixels == ["PxAP", "4", "61.2", "50.0 to 70.0", "-", "61.2", "50.0 to 70.0", "-", "-", "-"]


def test_intervals_that_could_not_be_had_are_dashes():
    unknown = MetricValue(1, NAN, (NAN, NAN), (0.1,), NAN, (NAN, NAN), (0.2,))
    assert detail_table({"cam": {"mask IoU": unknown}})[1] == ["mask IoU", "1", "-", "-", "0.100", "-", "-", "0.200"]
    assert summary_table({"cam": {"mask IoU": unknown}})[1] == ["cam", "-", "-"]


def test_the_legend_explains_both_words():
    assert "oracle: " in LEGEND
    assert "fixed: " in LEGEND


def test_markdown_is_aligned():
    lines = markdown(summary_table(ROWS)).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == {"|", "-"}
    assert all(line.startswith("| ") and line.endswith(" |") for line in (lines[0], *lines[2:]))


@pytest.mark.parametrize("name", ["a|b", "a\nb"])
def test_a_name_does_not_break_the_table(name):
    lines = markdown([["map", "PxAP"], [name, "1.0"]]).splitlines()
    assert len(lines) == 3
    assert [line.replace("\\|", "").count("|") for line in lines] == [3, 3, 3]
