"""The page in a real browser: Chromium without a window."""

import base64
import json
import time
from io import BytesIO
from shutil import which

import numpy as np
import pytest
from PIL import Image

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = which("chromium"), which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="Chromium is not installed: apt-get install chromium chromium-driver"
)

FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
FLAGS += ("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1280,900")
PICTURE = "#ws-pictures figure img"
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
    """Starts browsers, each with a profile of its own."""
    from selenium.webdriver.chrome.service import Service

    started = []

    def start():
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        started.append(webdriver.Chrome(options=options, service=Service(DRIVER)))
        return started[-1]

    yield start
    for browser in started:
        browser.quit()


@pytest.fixture(scope="module")
def browser(browsers):
    return browsers()


@pytest.fixture
def opened(browser, live):
    return open_page(browser, live)


def open_page(browser, live):
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(live[0])
    until(lambda: browser.find_elements("css selector", "#ws-photo"))
    return browser


def until(holds, seconds=30.0):
    """Wait until something holds, and give it; a busy machine takes its time."""
    end = time.monotonic() + seconds
    while not (held := holds()):
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.03)
    return held


def give(browser, content, kind="drop", name="photo.png"):
    """Drop or paste a file onto the page."""
    browser.execute_script(GIVE, kind, base64.b64encode(content).decode(), name)


def picture(browser):
    return browser.execute_script(f"return document.querySelector('{PICTURE}')?.src || ''")


def rows(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('.ws-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )


def shown(browser, content, **how):
    """Give the page a photo and wait for its picture."""
    before = picture(browser)
    give(browser, content, **how)
    until(lambda: picture(browser) not in ("", before))
    return picture(browser)


def severe(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def choose(browser, field, key):
    from selenium.webdriver.common.keys import Keys

    browser.find_element("css selector", f"{field} input[type=range]").send_keys(getattr(Keys, key))


def click(browser, selector):
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def test_a_photo_gets_a_box_and_the_slider_moves_it_without_the_model(opened, finder, photo_files, tmp_path):
    (tmp_path / "photo.png").write_bytes(photo_files[0])
    opened.find_element("css selector", ".ws-side input[type=file]").send_keys(str(tmp_path / "photo.png"))
    until(lambda: rows(opened))
    asked = list(finder.asked)
    first, seen = rows(opened), picture(opened)
    choose(opened, "#ws-threshold", "END")
    until(lambda: rows(opened) != first)
    choose(opened, "#ws-threshold", "HOME")
    until(lambda: [row[3:] for row in rows(opened)] == [["0", "0", "70", "50"]])
    seen = picture(opened)
    choose(opened, "#ws-opacity", "HOME")
    until(lambda: picture(opened) != seen)
    click(opened, "#ws-which label:last-child input")
    choose(opened, "#ws-threshold", "END")
    until(lambda: [row[3:] for row in rows(opened)] != [["0", "0", "70", "50"]])
    assert finder.asked == asked
    assert severe(opened) == []


def test_a_photo_is_pasted_and_another_one_dropped(opened, photo_files):
    assert shown(opened, photo_files[0], kind="paste") != shown(opened, photo_files[1], kind="drop")


def test_several_methods_stand_side_by_side_and_are_asked_for_once(opened, finder, photo_files):
    shown(opened, photo_files[0])
    finder.asked.clear()
    for clicks, pictures in enumerate((2, 1, 2)):
        click(opened, "#ws-methods label:nth-of-type(2) input")
        until(lambda: len(opened.find_elements("css selector", PICTURE)) == pictures)  # noqa: B023
        assert len(finder.asked) == 1, clicks
    assert finder.asked[0][0] == "gradcam"
    assert {row[2] for row in rows(opened)} == {"CAM", "Grad-CAM"}


def test_all_classes_are_shown_and_no_name_is_run(opened, finder, photo_files):
    shown(opened, photo_files[0])
    finder.asked.clear()
    for number in range(2, 5):
        opened.find_element("css selector", "#ws-classes input").click()
        until(lambda: opened.find_elements("css selector", OPTION))[0].click()
        until(lambda: len(opened.find_elements("css selector", ".ws-legend li")) == number)  # noqa: B023
    assert {row[0] for row in rows(opened)} == set(finder.class_names)
    assert opened.execute_script("return window.ran") is None
    assert finder.asked == []


def test_a_wrong_file_is_told_and_a_good_one_works_after_it(opened, photo_files):
    give(opened, b"I am text.", name="wrong.jpg")
    words = until(lambda: opened.execute_script("return document.querySelector('.toast-body')?.innerText"))
    assert "The image is not an image that can be read.\nGive a JPEG" in words
    assert not any(trace in words for trace in ("Traceback", "/tmp", ".py"))
    assert picture(opened) == ""
    shown(opened, photo_files[0])
    assert severe(opened) == []


def test_two_visitors_do_not_see_each_others_photos(opened, browsers, live, photo_files):
    other = open_page(browsers(), live)
    mine = shown(opened, photo_files[0])
    assert picture(other) == ""
    theirs = shown(other, photo_files[1])
    for browser in (opened, other):
        choose(browser, "#ws-opacity", "HOME")
    until(lambda: picture(opened) != mine and picture(other) != theirs)
    for browser, content in ((opened, photo_files[0]), (other, photo_files[1])):
        assert difference(picture(browser), content) < 20 < difference(picture(browser), photo_files[2])


def difference(address, content):
    """How many levels a picture without heatmap differs from a photo, in the median."""
    drawn = Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))).resize((70, 50))
    real = np.asarray(Image.open(BytesIO(content)), int)
    return np.median(np.abs(np.asarray(drawn, int) - real))


def test_a_file_is_taken_home(opened, photo_files, tmp_path):
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    shown(opened, photo_files[0], name="my photo.png")
    click(opened, "#ws-take-json")
    until((tmp_path / "my photo.json").exists)
    assert json.loads((tmp_path / "my photo.json").read_text())["image"] == "my photo.png"


def test_nothing_is_asked_of_anybody_else(opened, live, photo_files):
    shown(opened, photo_files[0])
    click(opened, "#ws-example-0")
    until(lambda: any(int(row[5]) > 70 for row in rows(opened)))
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((live[0], "data:", "blob:"))] == []
    assert severe(opened) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser, live, photo_files, scheme):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        open_page(browser, live)
        assert width(browser) == 390
        shown(browser, photo_files[0])
        click(browser, "#ws-methods label:nth-of-type(2) input")
        until(lambda: len(browser.find_elements("css selector", PICTURE)) == 2)
        assert width(browser) == 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def width(browser):
    """How wide the page is, and everything on it."""
    return browser.execute_script(
        "return Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll"
        "('.ws-side *, .ws-main *')].filter(e => !e.closest('.ws-table')).map(e => e.getBoundingClientRect().right))"
    )
