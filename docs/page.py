"""Make the README's screenshot of the page, in headless Chromium. The image is by Rachel Michetti, CC0.

python docs/page.py
"""

import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

COFFEE = "ws-example-1"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    """Write docs/images/page.jpg."""
    command = [sys.executable, "-m", "weakspot", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service, TemporaryDirectory() as profile:
        try:
            url = service.stdout.readline().split()[0]
            screenshot(url, profile, Path(__file__).parent / "images" / "page.jpg")
        finally:
            service.terminate()


def screenshot(url: str, profile: str, path: Path) -> None:
    """Open the page, select the example, and save a screenshot."""
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, "--window-size=1180,900", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(which("chromedriver")))
    try:
        browser.get(url)
        WebDriverWait(browser, 30).until(lambda driver: driver.find_elements(By.ID, COFFEE))
        browser.find_element(By.ID, COFFEE).click()
        WebDriverWait(browser, 30).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "table td"))
        time.sleep(1)  # until all transitions are over
        Image.open(BytesIO(browser.get_screenshot_as_png())).convert("RGB").save(path, quality=85)
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
