"""A headless Chromium for tests that look at pages as a reader does; where there is none, they skip and say so."""

import io
import json
import shutil
import time
from contextlib import contextmanager

import numpy as np
import pytest
from matplotlib.image import imread

BROWSERS, DRIVERS = ("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)
SIZE = "1600,1000"
MENU = 0.42  # the share of the screen that the menu takes, at most
INK = 0.001  # of a page with a few lines of text
SECONDS = 20  # that a page may take


def found(names):
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def browser():
    """A driver that can reach no network; it logs every request and what the console says."""
    if not (found(BROWSERS) and found(DRIVERS)):
        pytest.skip("no chromium and chromedriver are installed, so nobody looks at the report")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = found(BROWSERS)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     f"--window-size={SIZE}", "--host-resolver-rules=MAP * ~NOTFOUND"):  # fmt: skip
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(found(DRIVERS)))
    try:
        yield driver
    finally:
        driver.quit()


def wait(driver, script, *arguments):
    """What a script returns, once that is something."""
    deadline = time.monotonic() + SECONDS
    while not (value := driver.execute_script(script, *arguments)):
        assert time.monotonic() < deadline, f"after {SECONDS} s still nothing: {script}"
        time.sleep(0.05)
    return value


def requests(driver):
    """Addresses that the page has asked for so far, the page's own left out."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    asked = (m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent")
    own = driver.current_url.partition("#")[0]
    return [url for url in asked if not url.startswith(("data:", "blob:")) and url.partition("#")[0] != own]


def ink(driver):
    """The share of pixels that are not the most frequent colour, of the part of the screen beside the menu."""
    picture = (255 * imread(io.BytesIO(driver.get_screenshot_as_png()))[..., :3]).astype(np.uint32)
    beside = picture[:, int(MENU * picture.shape[1]) :] @ np.array([65536, 256, 1], np.uint32)
    return 1 - np.unique(beside, return_counts=True)[1].max() / beside.size


def open_list(driver, category, subcategory):
    """The report's list of one subcategory, come to from the menu."""
    driver.execute_script("app.setView({navbarMode: 'menu'})")
    view = "app.setView({navbarMode: 'subcategory', category: arguments[0], subcategory: arguments[1]})"
    driver.execute_script(view, category, subcategory)


def look_at_each(driver, count):
    """Click on every eye of the list: a picture or a page comes, and the screen is not empty."""
    eyes = "return document.querySelectorAll('table tbody tr td:last-child a:first-child')"
    assert len(wait(driver, eyes)) == count
    for number in range(count):
        driver.execute_script("app.setView({content: 'rulegraph', contentPath: ''})")
        wait(driver, eyes)[number].click()
        kind = wait(driver, "return ['img', 'iframe'].find(name => document.querySelector(`#app ${name}`)) || ''")
        if kind == "img":
            assert wait(driver, "return document.querySelector('#app img').naturalWidth") > 0
        else:
            look_into(driver)
        assert ink(driver) > INK


def look_into(driver):
    """A page within the report: it has a title and text, and its own pictures are there."""
    driver.switch_to.frame(driver.find_element("css selector", "#app iframe"))
    wait(driver, "return document.querySelector('h1') && document.body.innerText.length > 60")
    broken = "return [...document.images].filter(image => !(image.naturalWidth > 0 && image.alt)).length"
    assert driver.execute_script(broken) == 0
    driver.switch_to.default_content()
