"""Chromium without a window, and what tests do with a page in it."""

import time
from shutil import which

import numpy as np
import pytest

webdriver = pytest.importorskip("selenium.webdriver")
exceptions = pytest.importorskip("selenium.common.exceptions")
CHROMIUM, DRIVER = which("chromium"), which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="Chromium is not installed: apt-get install chromium chromium-driver"
)

FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
FLAGS += ("disable-component-update", "disable-sync", "disable-dev-shm-usage")
NOT_THERE = (exceptions.NoSuchElementException, exceptions.StaleElementReferenceException)


def start_chromium(profile, window="1000,800"):
    """Start a browser with a new profile folder; the caller quits it."""
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"window-size={window}", f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


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


def until(condition, seconds=120.0):
    """Wait until a condition holds, and return its value; an element that is missing may come on a busy machine."""
    end = time.monotonic() + seconds
    while not (value := _value_now(condition)):
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.02)
    return value


def _value_now(condition):
    try:
        return condition()
    except NOT_THERE:
        return None


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


def sees(browser, selector):
    return browser.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0])).display !== 'none'", selector
    )


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


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
