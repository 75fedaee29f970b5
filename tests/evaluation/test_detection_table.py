from weakspot.evaluation.detection import ALARMS, AUROC, POINTING, DetectionValue
from weakspot.evaluation.detection_table import detection_legend, detection_table

NAN = float("nan")
ROWS = {
    "cam": {
        ALARMS: DetectionValue(4, 0.256, (0.1, 0.444)),
        POINTING: DetectionValue(10, 70.04, (60.0, 80.0), (NAN, 50.0, 100.0), (0, 4, 6)),
        AUROC: DetectionValue(14, NAN, (NAN, NAN), (NAN, NAN, NAN), (2, 0, 0)),
    },
    "full-image box": {POINTING: DetectionValue(10, 0.0, None, (0.0,) * 3, (0, 4, 6))},
}


def test_a_line_for_each_metric_of_the_first_map():
    header, pointing, auroc, alarms = detection_table(ROWS)
    assert header == ["metric", "images", "cam", "95 %", "small", "medium", "large", "full-image box"]
    assert pointing == [POINTING, "10", "70.0", "60.0 to 80.0", "-", "50.0 (4)", "100.0 (6)", "0.0"]
    assert auroc == [AUROC, "14", "-", "-", "-", "-", "-", "-"]
    assert alarms == [ALARMS, "4", "0.26", "0.10 to 0.44", "-", "-", "-", "-"]


def test_the_legend_explains_what_there_is():
    legend = detection_legend(ROWS["cam"], 4, "the peak of the map")
    assert "within 4 pixels" in legend
    assert "the peak of the map" in legend
    assert "AUPRO" not in legend
    assert detection_legend({}, 4, "") == ""
