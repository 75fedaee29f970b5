"""The threshold slider of a report in a browser."""

import json

import numpy as np
import pytest
from chromium import all_of, choose, colour, contrast, needs_chromium, one, open_page, press, texts, until
from PIL import Image
from results_made import row, write_data, write_evaluated, write_localized, write_picture, write_rows

from weakspot.ops import boxes_from_heatmap
from weakspot.report import read_report_data, write_page

pytestmark = needs_chromium


def hill(center, size=(64, 64), width=20.0):
    y, x = np.mgrid[: size[0], : size[1]]
    return np.round(255 * np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * width**2))).astype(np.uint8)


def boxes_at(heatmap, threshold, size):
    """All boxes of a heatmap in pixels of an image of (width, height)."""
    boxes = boxes_from_heatmap(heatmap.astype(float), threshold)
    return boxes * np.tile(size, 2) / np.tile(heatmap.shape[::-1], 2)


LOW, HIGH = hill((20, 20)), np.maximum(hill((20, 20)), hill((50, 44), width=6.0))


def written(folder, target, **options):
    write_page(read_report_data(folder, **options), target)
    return target


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two images with heatmaps: a cat that is right, cut at 0.5, and a dog, cut at 0.3; a third without a heatmap."""
    folder = tmp_path_factory.mktemp("threshold")
    data = write_data(folder / "data")
    cat, dog = data / "images/cat/a.jpg", data / "images/dog/b.jpg"
    at_half, at_third = boxes_at(LOW, 0.5, (80, 60))[:1].tolist(), boxes_at(LOW, 0.3, (60, 80))[:1].tolist()
    rows = [row(cat, "cat", 0.9, boxes=at_half), row(dog, "dog", 0.8, threshold=0.3, boxes=at_third), row("c.jpg")]
    write_rows(folder / "found/boxes.jsonl", rows)
    write_picture(folder / "found", "heatmaps", cat, LOW)
    write_picture(folder / "found", "heatmaps", dog, HIGH)
    return written(folder / "found", folder / "r.html", data=data)


@pytest.fixture
def opened(browser, page):
    open_page(browser, page)
    choose(browser, "#sort", "s-")
    until(lambda: texts(browser, ".card .label")[:1] == ["cat"])
    return browser


def boxes_of(browser, position):
    script = """const card = document.querySelectorAll('.cards li')[arguments[0]];
        const rects = [...card?.querySelectorAll('rect.predicted') ?? []];
        return rects.map((rect) => ['x', 'y', 'width', 'height'].map((name) => Number(rect.getAttribute(name))))"""
    return [[x, y, x + width, y + height] for x, y, width, height in browser.execute_script(script, position)]


def move(browser, value):
    """Move the slider with the cards in view, as only those are drawn."""
    browser.execute_script("document.querySelector('.sticky').scrollIntoView({behavior: 'instant'})")
    choose(browser, "#threshold", value)


def test_it_starts_as_localized(opened):
    assert one(opened, "#threshold-value").text == "as localized (0.30 to 0.50, by class)"
    assert one(opened, "#threshold").get_attribute("aria-valuetext") == "as localized (0.30 to 0.50, by class)"
    assert not one(opened, "#threshold-reset").is_enabled()
    assert not one(opened, "#threshold-keep").is_displayed()
    until(lambda: one(opened, "#threshold-count").text == "0 of 2 right, 0 of 2 boxes wide")


def test_moving_it_cuts_boxes_anew_and_says_what_becomes_of_them(opened):
    stored = [boxes_of(opened, position) for position in range(3)]
    move(opened, "0.8")
    until(lambda: boxes_of(opened, 0) != stored[0] and boxes_of(opened, 1) != stored[1])
    np.testing.assert_allclose(boxes_of(opened, 0), boxes_at(LOW, 0.8, (80, 60)), atol=1.5)
    np.testing.assert_allclose(boxes_of(opened, 1), boxes_at(LOW, 0.8, (60, 80)), atol=1.5)  # where the stored box is
    assert boxes_of(opened, 2) == stored[2], "without a heatmap"
    until(lambda: one(opened, "#threshold-count").text.startswith("0 of 2 right, 0 of 2 boxes wide (as localized: 0"))
    assert one(opened, "#threshold-value").text == "0.80"
    assert one(opened, "#threshold-option").text == "--threshold 0.80"
    value, measure = texts(opened, ".card .value")[0], texts(opened, ".card .measure")[0]
    assert measure.startswith("IoU, was ")
    assert float(value) != float(measure.split()[-1])
    move(opened, "0.05")
    until(lambda: "2 of 2 boxes wide" in one(opened, "#threshold-count").text)


def test_reset_shows_the_stored_boxes(opened):
    stored, captions = boxes_of(opened, 0), texts(opened, ".card .measure")
    move(opened, "0.8")
    until(lambda: boxes_of(opened, 0) != stored and len(all_of(opened, "canvas.mask")) == 2)
    one(opened, "#threshold-reset").click()
    until(lambda: boxes_of(opened, 0) == stored and texts(opened, ".card .measure") == captions)
    until(lambda: len(all_of(opened, "img.mask")) == 2)
    assert one(opened, "#threshold-value").text == "as localized (0.30 to 0.50, by class)"
    assert opened.execute_script("return document.activeElement.id") == "threshold"
    assert opened.get_log("browser") == []


def test_keys_move_it(opened):
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("document.getElementById('threshold').focus()")
    start = float(one(opened, "#threshold").get_attribute("value"))
    press(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert one(opened, "#threshold-value").text == f"{start + 0.02:.2f}"
    press(opened, Keys.HOME)
    assert one(opened, "#threshold-value").text == "0.05"
    press(opened, Keys.END)
    assert one(opened, "#threshold-value").text == "1.00"


def test_cards_that_come_later_and_the_detail_view_follow(opened):
    move(opened, "0.8")
    choose(opened, "#class", "dog")
    until(lambda: texts(opened, ".card .label")[:1] == ["dog"])
    until(lambda: len(boxes_of(opened, 0)) == 1 and one(opened, ".card canvas.mask"))
    box = boxes_of(opened, 0)[0]
    one(opened, ".card").send_keys("\n")
    until(lambda: "threshold" in texts(opened, "#detail-facts dt"))
    facts = dict(zip(texts(opened, "#detail-facts dt"), texts(opened, "#detail-facts dd"), strict=True))
    assert facts["threshold"] == "0.80"
    assert facts["box"] == " ".join(str(int(side + 0.5)) for side in box)
    one(opened, "#close").click()


def test_the_option_is_copied_or_selected(opened):
    move(opened, "0.8")
    one(opened, "#threshold-keep .copy").click()
    until(
        lambda: (
            one(opened, "#threshold-keep .copy").text == "Copied"
            or opened.execute_script("return String(getSelection())") == "--threshold 0.80"
        )
    )


def test_the_mask_is_where_the_box_is(opened):
    move(opened, "0.8")
    until(lambda: len(all_of(opened, "canvas.mask")) == 2)
    script = """const canvas = document.querySelector('canvas.mask'); const {width, height} = canvas;
        const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
        return [width, height, [...Array(width * height).keys()].filter((i) => data[4 * i + 3])]"""
    width, height, pixels = opened.execute_script(script)
    y, x = np.divmod(pixels, width)
    found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) * np.tile((80 / width, 60 / height), 2)
    np.testing.assert_allclose(found, boxes_of(opened, 0)[0])


@pytest.mark.parametrize("saved", [{}, {"masks": np.ones((8, 8), bool)}])
def test_without_heatmaps_there_is_no_slider(browser, tmp_path, saved):
    folder = write_localized(tmp_path / "found")
    for name, pixels in saved.items():
        write_picture(folder, name, tmp_path / "photos/a.jpg", pixels)
    open_page(browser, written(folder, tmp_path / "r.html"))
    assert all_of(browser, "#threshold, .copy") == []
    assert len(all_of(browser, ".card")) == 3
    assert browser.get_log("browser") == []


def test_all_regions_are_boxed_where_all_were_asked_for(browser, tmp_path):
    folder = write_localized(
        tmp_path / "found", lambda images: [row(images / "c.jpg", boxes=boxes_at(HIGH, 0.5, (40, 40)).tolist())]
    )
    (folder / "localize.toml").write_text('boxes = "all"\nmin_area = 0.001\n')
    write_picture(folder, "heatmaps", tmp_path / "photos/c.jpg", HIGH)
    open_page(browser, written(folder, tmp_path / "r.html"))
    move(browser, "0.7")
    until(lambda: all_of(browser, "canvas.mask"))
    np.testing.assert_allclose(boxes_of(browser, 0), boxes_at(HIGH, 0.7, (40, 40)), atol=1)
    until(lambda: one(browser, "#threshold-count").text == "0 of 2 boxes wide (as localized: 0 wide)")


def test_an_evaluation_has_it_too(browser, tmp_path):
    folder = write_evaluated(tmp_path / "out", write_data(tmp_path / "data"))
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    (folder / "heatmaps").mkdir()
    Image.fromarray(LOW).save(folder / "heatmaps/a.png")
    write_rows(folder / "images.jsonl", [rows[0] | {"heatmap": "heatmaps/a.png"}, *rows[1:]])
    open_page(browser, written(folder, tmp_path / "r.html"))
    assert one(browser, "#threshold-value").text == "as evaluated (0.50)"
    move(browser, "0.9")
    until(
        lambda: (
            one(browser, "#threshold-count").text == "0 of 1 right, 0 of 1 boxes wide (as evaluated: 1 right, 0 wide)"
        )
    )


def test_a_wrong_class_stays_wrong(browser, tmp_path):
    image = write_data(tmp_path / "data") / "images/dog/b.jpg"
    write_rows(tmp_path / "found/boxes.jsonl", [row(image, "cat")])
    write_picture(tmp_path / "found", "heatmaps", image, LOW)
    open_page(browser, written(tmp_path / "found", tmp_path / "r.html", data=tmp_path / "data"))
    move(browser, "0.2")
    until(lambda: texts(browser, ".card .measure") == ["IoU, was 0.00"])
    assert texts(browser, ".card .value") == ["0.00"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_and_it_can_be_read(browser, page, scheme):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(browser, page, color_scheme=scheme)
        move(browser, "0.8")
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        assert one(browser, "#threshold").rect["width"] > 200
        paper = colour(browser, "html", "backgroundColor")
        names = [".threshold label", "#threshold-value", "#threshold-count", "#threshold-keep", "code", ".legend-text"]
        assert [name for name in names if contrast(colour(browser, name, "color"), paper) < 4.5] == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
