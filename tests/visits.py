"""Visitors of the page in a real browser over a real server, as fixtures: at a desk, with a phone; what they saw."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from rasterio.io import MemoryFile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
CENTRE = "map=14/10.77500/106.70000"
LAND, WATER = (0xF7, 0xF4, 0xEC), (0xAA, 0xD3, 0xE6)

Launch = Callable[..., Browser]


@dataclass(slots=True)
class Visit:
    """A page, with everything it asked for and complained of."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str = CENTRE) -> Visit:
        """Opens the map there and waits until it is drawn."""
        self.page.goto(f"{self.url}/map#{address}")
        self.drawn()
        return self

    def drawn(self) -> None:
        """Waits until the map has nothing left to load."""
        expect(self.page.locator(".progress:not(.on)")).to_be_attached(timeout=60_000)

    @property
    def address(self) -> str:
        """What the address bar says now; asking the page lets Playwright hear what happened meanwhile."""
        return str(self.page.evaluate("location.href"))

    def asked_for(self, *parts: str) -> bool:
        """Whether an address with all these parts was asked for by now."""
        return bool(self.address) and any(all(part in url for part in parts) for url in self.asked)

    def picture(self) -> NDArray[np.uint8]:
        """Rows, columns, and red, green and blue of what is on the screen."""
        with MemoryFile(self.page.screenshot()) as memory, memory.open() as image:
            return np.moveaxis(image.read((1, 2, 3)), 0, -1)

    def share(self, colour: tuple[int, int, int]) -> float:
        """The part of the screen that has this colour, within what antialiasing and rounding do."""
        near = np.abs(self.picture().astype(int) - colour).max(axis=-1) <= 3
        return float(near.mean())

    def click_the_middle(self) -> None:
        size = self.page.viewport_size or DESK
        self.page.mouse.click(size["width"] / 2, size["height"] / 2)


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """Starts the distribution's Chromium with more flags."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; `apt-get install chromium` brings it")
    with sync_playwright() as playwright:
        yield lambda *flags: playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags])


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Iterator[Browser]:
    """A browser that draws in software."""
    chromium = launch(*FLAGS)
    yield chromium
    chromium.close()


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visit]:
    """A visitor at a desk."""
    context = browser.new_context(viewport=DESK, locale="vi-VN", color_scheme="light")
    yield visitor(context, server)
    context.close()


@pytest.fixture
def phone(browser: Browser, server: str) -> Iterator[Visit]:
    """A visitor with a phone in the hand."""
    context = browser.new_context(viewport=PHONE, locale="vi-VN", has_touch=True, color_scheme="light")
    yield visitor(context, server)
    context.close()


def visitor(context: BrowserContext, url: str) -> Visit:
    """A visit that keeps a record."""
    visit = Visit(context.new_page(), url)
    visit.page.on("request", lambda request: visit.asked.append(request.url))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("console", lambda said: said.type in ("error", "warning") and visit.complaints.append(said.text))
    return visit
