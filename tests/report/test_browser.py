"""A report in a real browser: Chromium without a window, and without a network."""

import json

import numpy as np
import pytest
from chromium import (
    all_of,
    choose,
    colour,
    contrast,
    luminance,
    needs_chromium,
    one,
    open_page,
    press,
    sees,
    texts,
    until,
)
from PIL import Image
from results_made import row, write_data, write_evaluated, write_localized, write_picture, write_rows

from weakspot.report import read_report_data, write_page

pytestmark = needs_chromium

ATTACK = "<script>alert(1)</script>"
SHADES = "<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """150 items of three images, each by its own method: classes cat, dog and an attack; scores rise; with heatmaps."""
    folder = tmp_path_factory.mktemp("report")
    labels = ["cat", "dog", ATTACK]
    write_localized(
        folder / "found",
        lambda images: [
            row(images / f"{'abc'[i % 3]}.jpg", labels[i % 3], i / 150, notes=[SHADES], method=f"cam {i}")
            for i in range(150)
        ],
    )
    for name in "abc":
        write_picture(folder / "found", "heatmaps", folder / f"photos/{name}.jpg", np.full((8, 8), 200, np.uint8))
    write_page(read_report_data(folder / "found"), folder / "r.html", thumbnail_size=48)
    return folder / "r.html"


@pytest.fixture
def opened(browser, page):
    return open_page(browser, page)


def count(browser):
    return one(browser, "#count").text


def test_an_evaluation_shows_the_heatmaps_and_masks_that_were_kept(browser, tmp_path):
    folder = write_evaluated(tmp_path / "out", write_data(tmp_path / "data"))
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    (folder / "heatmaps").mkdir()
    Image.fromarray(np.tri(8, dtype=np.uint8) * 255).save(folder / "heatmaps/a.png")
    write_rows(folder / "images.jsonl", [rows[0] | {"heatmap": "heatmaps/a.png"}, *rows[1:]])
    write_page(read_report_data(folder), tmp_path / "r.html")
    open_page(browser, tmp_path / "r.html", reduced_motion="reduce")
    for layer in ("heat", "mask"):
        assert len(all_of(browser, f".card .{layer}")) == 1
        one(browser, f".tools [data-layer={layer}]").click()
        assert sees(browser, f".card .{layer}")
    assert browser.get_log("browser") == []


def test_cards_tell_what_they_are_sorted_by(browser, tmp_path):
    rows = [row(tmp_path / f"{i}.jpg", "cat", 0.9 - i / 10, uncertainty=i / 10) for i in range(3)]
    write_rows(tmp_path / "found/boxes.jsonl", rows)
    write_page(read_report_data(tmp_path / "found"), tmp_path / "r.html")
    open_page(browser, tmp_path / "r.html")
    values = ".card .value, .card .measure"
    assert texts(browser, values) == ["0.20", "uncertainty", "0.10", "uncertainty", "0.00", "uncertainty"]
    choose(browser, "#sort", "s+")
    until(lambda: texts(browser, values) == ["0.70", "score", "0.80", "score", "0.90", "score"])
    choose(browser, "#sort", "n+")
    until(lambda: texts(browser, values)[:2] == ["0.00", "uncertainty"])


def test_a_wrong_class_is_told_and_the_table_of_classes_fits(browser, tmp_path):
    data = write_data(tmp_path / "data")
    write_rows(tmp_path / "found/boxes.jsonl", [row(data / "images/dog/b.jpg", "cat", uncertainty=0.5)])
    write_page(read_report_data(tmp_path / "found", data=data), tmp_path / "r.html")
    open_page(browser, tmp_path / "r.html")
    assert texts(browser, ".card .label") == ["cat, not dog"]
    table = "const t = document.querySelector('.scroll.tall'); return [t.scrollWidth, t.clientWidth]"
    width, seen = browser.execute_script(table)
    assert width == seen


def shown_scores(browser):
    return texts(browser, ".card .value")[:3]


def test_it_asks_nothing_of_the_network_and_complains_of_nothing(opened, page):
    until(lambda: opened.execute_script("return [...document.images].every(image => image.complete)"))
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert [url for url in asked if not url.startswith(("data:", page.as_uri()))] == []
    assert opened.get_log("browser") == []
    assert opened.execute_script("return [...document.images].filter(image => !image.naturalWidth).length") == 0


def test_the_policy_stops_a_script_and_a_request(opened):
    opened.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)"
    )
    assert opened.execute_script("return window.ran") is None
    until(lambda: "violates the following Content Security Policy" in str(opened.get_log("browser")))


def test_markup_in_a_name_is_shown_and_not_run(opened):
    choose(opened, "#class", ATTACK)
    until(lambda: count(opened) == "50 of 150 shown")
    assert one(opened, ".card .label").text == ATTACK
    one(opened, ".card").send_keys("\n")
    assert one(opened, "#detail-notes").text == SHADES
    assert opened.execute_script("return document.querySelectorAll('#detail img[src=x]').length") == 0


def test_cards_come_as_the_reader_scrolls(opened):
    assert count(opened) == "150 shown"
    assert len(all_of(opened, ".card")) < 150
    until(lambda: opened.execute_script("scrollTo(0, 1e6); return document.querySelectorAll('.card').length") == 150)


def test_filters_go_together_and_say_what_is_left(opened):
    choose(opened, "#class", "dog")
    until(lambda: count(opened) == "50 of 150 shown")
    choose(opened, "[aria-label='Minimum Score']", "0.5")
    until(lambda: count(opened) == "25 of 150 shown")
    choose(opened, "#search", "B.JPG dog")
    choose(opened, "[aria-label='Maximum Score']", "0.6")
    until(lambda: count(opened) == "5 of 150 shown")
    choose(opened, "#search", "nothing of this name")
    until(lambda: count(opened) == "0 of 150 shown")
    assert one(opened, ".none").text == "No images match these filters."


def test_the_lowest_score_comes_first_until_another_order_is_chosen(opened):
    assert shown_scores(opened) == ["0.00", "0.01", "0.01"]
    choose(opened, "#sort", "s-")
    until(lambda: shown_scores(opened) == ["0.99", "0.99", "0.98"])
    choose(opened, "#sort", "n+")
    until(lambda: texts(opened, ".card .file")[:1] == ["a.jpg"])


@pytest.mark.parametrize(("layer", "picture"), [("heat", ".heat"), ("box", ".boxes-predicted"), ("mask", ".mask")])
def test_a_layer_is_switched_by_its_button(opened, layer, picture):
    button = one(opened, f".tools [data-layer={layer}]")
    before = button.get_attribute("aria-pressed") == "true"
    assert sees(opened, f".card {picture}") is before
    button.send_keys(" ")
    assert sees(opened, f".card {picture}") is not before
    assert one(opened, f"#detail [data-layer={layer}]").get_attribute("aria-pressed") == str(not before).lower()


def test_the_detail_view_is_used_by_keys(opened):
    from selenium.webdriver.common.keys import Keys

    one(opened, ".card").send_keys(Keys.ENTER)
    assert one(opened, "#detail-position").text == "1 of 150"
    press(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert one(opened, "#detail-position").text == "2 of 150"
    press(opened, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert one(opened, "#detail-position").text == "150 of 150"
    press(opened, Keys.ESCAPE)
    until(lambda: not one(opened, "#detail").is_displayed())
    assert opened.execute_script("return document.activeElement.dataset.index") == "149"


def test_the_box_lies_where_it_was_found(opened):
    choose(opened, "#class", "cat")
    until(lambda: count(opened) == "50 of 150 shown")
    image, box = one(opened, ".card .image").rect, one(opened, ".card rect.predicted").rect
    scale = image["width"] / 80
    assert box["x"] - image["x"] == pytest.approx(10 * scale, abs=2)
    assert box["y"] - image["y"] == pytest.approx(20 * scale, abs=2)
    assert box["width"] == pytest.approx(20 * scale, abs=4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser, page, scheme):
    open_page(browser, page, color_scheme=scheme)
    paper = colour(browser, "html", "backgroundColor")
    assert (luminance(paper) < 0.1) == (scheme == "dark")
    quiet = [
        ".source",
        "h1",
        ".lede, .facts dt",
        ".card .label",
        ".card .file",
        "nav a",
        "#count",
        "tbody th",
        "footer",
    ]
    contrasts = {name: contrast(colour(browser, name, "color"), paper) for name in quiet}
    pressed = ".tools [data-layer=box]"
    contrasts[pressed] = contrast(colour(browser, pressed, "color"), colour(browser, pressed, "backgroundColor"))
    assert {name: value for name, value in contrasts.items() if value < 4.5} == {}


def test_a_phone_shows_it_without_scrolling_sideways(browser, page):
    size = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(browser, page)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_reduced_motion_is_respected(browser, page):
    for motion, expected in (("no-preference", "smooth"), ("reduce", "auto")):
        open_page(browser, page, reduced_motion=motion)
        behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
        assert browser.execute_script(behaviour) == expected


def test_every_control_has_a_name_and_every_image_alt_text(opened):
    unnamed = opened.execute_script(
        "return [...document.querySelectorAll('button, input, select')].filter(e =>"
        " !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.querySelector('img[alt]'))).length"
    )
    assert unnamed == 0
    assert one(opened, ".card .image").get_attribute("alt").startswith("cat: ")


def test_true_boxes_and_missing_layers(browser, tmp_path):
    data = write_data(tmp_path / "data")
    write_rows(
        tmp_path / "found/boxes.jsonl",
        [row(data / "images/cat/a.jpg", "cat"), row(data / "images/dog/b.jpg", "dog"), row("none.jpg", "dog")],
    )
    write_page(read_report_data(tmp_path / "found", data=data), tmp_path / "r.html")
    open_page(browser, tmp_path / "r.html")
    assert [element.text for element in all_of(browser, ".card .value")] == ["0.00", "1.00", "0.50"]
    assert len(all_of(browser, ".card .boxes-true .true")) == 2
    assert not one(browser, ".tools [data-layer=heat]").is_enabled()
    assert one(browser, ".absent").text == "image missing"
    assert browser.get_log("browser") == []
