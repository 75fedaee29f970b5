"""A report in a real browser: Chromium without a window, and without a network."""

import json
import time
from shutil import which

import numpy as np
import pytest
from PIL import Image
from results_made import row, write_data, write_evaluated, write_localized, write_picture, write_rows

from weakspot.report import read_report_data, write_page

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = which("chromium"), which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="Chromium is not installed: apt-get install chromium chromium-driver"
)

FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
FLAGS += ("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1000,800")
ATTACK = "<script>alert(1)</script>"
SHADES = "<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """150 items of three images: classes cat, dog and an attack; scores rise; each has a heatmap."""
    folder = tmp_path_factory.mktemp("report")
    labels = ["cat", "dog", ATTACK]
    write_localized(
        folder / "found",
        lambda images: [
            row(images / f"{'abc'[i % 3]}.jpg", labels[i % 3], i / 150, notes=[SHADES]) for i in range(150)
        ],
    )
    for name in "abc":
        write_picture(folder / "found", "heatmaps", folder / f"photos/{name}.jpg", np.full((8, 8), 200, np.uint8))
    write_page(read_report_data(folder / "found"), folder / "r.html", thumbnail_size=48)
    return folder / "r.html"


@pytest.fixture
def opened(browser, page):
    return open_page(browser, page)


def open_page(browser, page, **media):
    features = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    return browser


def all_of(browser, selector):
    return browser.find_elements("css selector", selector)


def one(browser, selector):
    return browser.find_element("css selector", selector)


def until(holds, seconds=20.0):
    """Wait until something holds; a busy machine takes its time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def count(browser):
    return one(browser, "#count").text


def choose(browser, field, value):
    browser.execute_script(
        "const f = document.querySelector(arguments[0]); f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', {bubbles: true}))",
        field,
        value,
    )


def texts(browser, selector):
    """All at once, as the page may draw its cards again in between."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(element => element.textContent)", selector
    )


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


def sees(browser, selector):
    return browser.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0])).display !== 'none'", selector
    )


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


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
    until(lambda: texts(opened, ".card .file")[0] == "a.jpg")


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


def colour(browser, selector, name):
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    text = browser.execute_script(script, selector, name)
    return [float(word) for word in text[text.index("(") + 1 : -1].split(",")[:3]]


def luminance(rgb):
    """Relative luminance, WCAG 2.2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(rgb) / 255]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


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
