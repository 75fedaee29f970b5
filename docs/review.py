"""Make the screenshots of the review page, in headless Chromium, from synthetic scenes.

python docs/review.py
"""

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.training import train

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
IMAGES = Path(__file__).parent / "images"
PHONE = {"width": 390, "height": 780, "deviceScaleFactor": 1, "mobile": True}
# All images that are to be seen are there, and the large one has its boxes.
LOADED = """
const images = [...document.querySelectorAll('svg image')].map((image) => image.href.baseVal);
const loaded = performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname.slice(1));
return document.querySelector('#stage rect.box') && images.every((image) => loaded.includes(image));
"""


def main() -> None:
    """Write docs/images/review.jpg and review-phone.jpg."""
    with TemporaryDirectory() as folder:
        scenes = write_scenes(Path(folder, "scenes"), {"train": 80}, SceneSettings(4, size=256)) / "images"
        run = train(scenes, output=Path(folder, "run"), input_size=160, epochs=8)
        command = [sys.executable, "-m", "weakspot", "review", str(run), str(scenes), "--port", "0"]
        options = ["--output", str(Path(folder, "reviewed"))]
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as service:
            try:
                screenshots(service.stdout.readline().split()[0], str(Path(folder, "profile")))
            finally:
                service.terminate()


def screenshots(url: str, profile: str) -> None:
    """Accept some images, and save what a desktop and a phone show."""
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, "--window-size=1180,900", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(which("chromedriver")))
    try:
        browser.get(url)
        for key in (Keys.ENTER, Keys.ENTER, "n", Keys.ENTER):
            wait(browser)
            ActionChains(browser).send_keys(key).perform()
        save(browser, IMAGES / "review.jpg")
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        browser.get(url)
        save(browser, IMAGES / "review-phone.jpg")
    finally:
        browser.quit()


def save(browser: webdriver.Chrome, path: Path) -> None:
    """Save a screenshot once all images are there."""
    wait(browser)
    Image.open(BytesIO(browser.get_screenshot_as_png())).convert("RGB").save(path, quality=85)


def wait(browser: webdriver.Chrome) -> None:
    """Wait until all images are there."""
    WebDriverWait(browser, 30).until(lambda driver: driver.execute_script(LOADED))


if __name__ == "__main__":
    main()
