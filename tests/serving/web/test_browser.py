"""The page in headless Chromium."""

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from chromium import all_of, needs_chromium, one, start_chromium, until
from PIL import Image

pytestmark = needs_chromium

IMAGE = "#ws-results figure img"
OPTION = "#ws-classes li[role=option][aria-selected=false]"
GIVE = """
const [kind, text, name] = arguments;
const held = new DataTransfer();
held.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name, {type: 'image/png'}));
const event = kind === 'paste' ? new ClipboardEvent('paste', {clipboardData: held, bubbles: true})
  : new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true});
document.body.dispatchEvent(event);
"""


@pytest.fixture(scope="module")
def browsers(tmp_path_factory):
    """Starts browsers, each with its own profile."""
    started = []

    def start():
        started.append(start_chromium(tmp_path_factory.mktemp("profile"), window="1280,900"))
        return started[-1]

    yield start
    for browser in started:
        browser.quit()


@pytest.fixture(scope="module")
def browser(browsers):
    return browsers()


@pytest.fixture
def opened(browser, page):
    return open_page(browser, page)


def open_page(browser, page):
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page[0])
    until(lambda: all_of(browser, "#ws-upload"))
    return browser


def give(browser, content, kind="drop", name="image.png"):
    """Drop or paste a file onto the page."""
    browser.execute_script(GIVE, kind, base64.b64encode(content).decode(), name)


def displayed(browser):
    return browser.execute_script(f"return document.querySelector('{IMAGE}')?.src || ''")


def rows(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('.ws-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )


def shown(browser, content, **how):
    """Upload an image and wait for its result."""
    before = displayed(browser)
    give(browser, content, **how)
    until(lambda: displayed(browser) not in ("", before))
    return displayed(browser)


def severe(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def choose(browser, field, key):
    from selenium.webdriver.common.keys import Keys

    one(browser, f"{field} input[type=range]").send_keys(getattr(Keys, key))


def click(browser, selector):
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def test_an_image_has_a_box_and_the_slider_moves_it_without_the_model(opened, recorder, image_files, tmp_path):
    (tmp_path / "image.png").write_bytes(image_files[0])
    one(opened, ".ws-side input[type=file]").send_keys(str(tmp_path / "image.png"))
    until(lambda: rows(opened))
    calls = list(recorder.calls)
    first = rows(opened)
    choose(opened, "#ws-threshold", "END")
    until(lambda: rows(opened) != first)
    choose(opened, "#ws-threshold", "HOME")
    until(lambda: [row[3:] for row in rows(opened)] == [["0", "0", "70", "50"]])
    before = displayed(opened)
    choose(opened, "#ws-opacity", "HOME")
    until(lambda: displayed(opened) != before)
    click(opened, "#ws-regions label:last-child input")
    choose(opened, "#ws-threshold", "END")
    until(lambda: [row[3:] for row in rows(opened)] != [["0", "0", "70", "50"]])
    assert recorder.calls == calls
    assert severe(opened) == []


def test_images_are_pasted_and_dropped(opened, image_files):
    assert shown(opened, image_files[0], kind="paste") != shown(opened, image_files[1], kind="drop")


def test_several_methods_are_side_by_side_and_run_once(opened, recorder, image_files):
    shown(opened, image_files[0])
    recorder.calls.clear()
    for clicks, count in enumerate((2, 1, 2)):
        click(opened, "#ws-methods label:nth-of-type(2) input")
        until(lambda: len(all_of(opened, IMAGE)) == count)  # noqa: B023
        assert len(recorder.calls) == 1, clicks
    assert recorder.calls[0][0] == "gradcam"
    assert {row[2] for row in rows(opened)} == {"CAM", "Grad-CAM"}


def test_all_classes_are_listed_and_no_name_runs_as_a_script(opened, recorder, image_files):
    shown(opened, image_files[0])
    recorder.calls.clear()
    for number in range(2, 5):
        one(opened, "#ws-classes input").click()
        until(lambda: all_of(opened, OPTION))[0].click()
        until(lambda: len(all_of(opened, ".ws-legend li")) == number)  # noqa: B023
    assert {row[0] for row in rows(opened)} == set(recorder.class_names)
    assert opened.execute_script("return window.ran") is None
    assert recorder.calls == []


def test_a_wrong_file_is_reported_and_a_good_one_works_after_it(opened, image_files):
    give(opened, b"I am text.", name="wrong.jpg")
    words = until(lambda: opened.execute_script("return document.querySelector('.toast-body')?.innerText"))
    assert "image" in words
    assert not any(trace in words for trace in ("Traceback", "/tmp", ".py"))
    assert displayed(opened) == ""
    shown(opened, image_files[0])
    assert severe(opened) == []


def test_visitors_do_not_see_each_others_images(opened, browsers, page, image_files):
    other = open_page(browsers(), page)
    mine = shown(opened, image_files[0])
    assert displayed(other) == ""
    theirs = shown(other, image_files[1])
    for browser in (opened, other):
        choose(browser, "#ws-opacity", "HOME")
    until(lambda: displayed(opened) != mine and displayed(other) != theirs)
    for browser, content in ((opened, image_files[0]), (other, image_files[1])):
        assert difference(displayed(browser), content) < 20 < difference(displayed(browser), image_files[2])


def difference(address, content):
    """The median absolute difference of gray levels between a result without heatmap and an image."""
    drawn = Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))).resize((70, 50))
    real = np.asarray(Image.open(BytesIO(content)), int)
    return np.median(np.abs(np.asarray(drawn, int) - real))


def test_a_file_is_downloaded(opened, image_files, tmp_path):
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    shown(opened, image_files[0], name="my image.png")
    click(opened, "#ws-download-json")
    until((tmp_path / "my image.json").exists)
    assert json.loads((tmp_path / "my image.json").read_text())["image"] == "my image.png"


def test_no_other_host_is_contacted(opened, page, image_files):
    shown(opened, image_files[0])
    click(opened, "#ws-example-0")
    until(lambda: any(int(row[5]) > 70 for row in rows(opened)))
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert len(urls) > 20
    assert [url for url in urls if not url.startswith((page[0], "data:", "blob:"))] == []
    assert severe(opened) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_horizontal_scrolling(browser, page, image_files, scheme):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        open_page(browser, page)
        assert width(browser) == 390
        shown(browser, image_files[0])
        click(browser, "#ws-methods label:nth-of-type(2) input")
        until(lambda: len(all_of(browser, IMAGE)) == 2)
        assert width(browser) == 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def width(browser):
    """The maximum width of the page and everything on it."""
    return browser.execute_script(
        "return Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll"
        "('.ws-side *, .ws-main *')].filter(e => !e.closest('.ws-table')).map(e => e.getBoundingClientRect().right))"
    )
