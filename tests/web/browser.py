"""Chromium as the tests drive it: a command of the machine (`apt-get install chromium`), by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Its path; None where there is none."""


@contextmanager
def launched(driver: Playwright) -> Iterator[Browser]:
    """A browser without a window, closed in the end."""
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()
