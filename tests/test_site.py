"""The built documentation, as readers see it in a browser. `nox -s docs` builds it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from subprocess import DEVNULL, PIPE
from urllib.parse import unquote, urldefrag

import pytest
from typing_extensions import override

pytest.importorskip("selenium", reason="needs selenium: `nox -s docs` installs it")

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SITE = Path(__file__).parent.parent / "docs" / "_build" / "html"
PAGES = sorted(str(page.relative_to(SITE)) for page in SITE.rglob("*.html"))
PROGRAMS = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
WIDTHS = (1280, 1000, 400)
OPTIONS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
)

#: Tells by how many pixels the page scrolls sideways.
SIDEWAYS = "return document.scrollingElement.scrollWidth - innerWidth"

#: Gives the first words of columns in which text is broken within less than 12 characters.
NARROW_COLUMNS = """
const context = document.createElement("canvas").getContext("2d");
return [...document.querySelectorAll("article td, article th")].filter((cell) => {
    const style = getComputedStyle(cell), text = document.createRange();
    context.font = style.font;
    text.selectNodeContents(cell);
    const lines = text.getBoundingClientRect().height / parseFloat(style.lineHeight);
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const width = cell.clientWidth - padding;
    return lines > 1.6 && width < context.measureText("0".repeat(12)).width - 1;
}).map((cell) => cell.innerText.slice(0, 30))
"""

#: Gives the first words of blocks of code that are wider than the page.
WIDE_CODE = """
return [...document.querySelectorAll("article pre")].filter((block) =>
    block.scrollWidth > block.clientWidth
).map((block) => block.innerText.slice(0, 60))
"""

#: Gives the first words of what is cut off at the right edge: no element around it scrolls.
CUT_OFF = """
const scrolls = (element) => element.scrollWidth > element.clientWidth
    && ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
return [...document.querySelectorAll("article *")].filter((element) => {
    if (element.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let each = element; each; each = each.parentElement) if (scrolls(each)) return false;
    return true;
}).map((element) => element.innerText.slice(0, 30))
"""

#: Gives the first words of tables with at most so many columns that scroll sideways.
WIDE_TABLES = """
return [...document.querySelectorAll("article .table-wrapper")].filter((wrapper) =>
    wrapper.scrollWidth > wrapper.clientWidth
    && wrapper.querySelectorAll("thead th").length <= arguments[0]
).map((wrapper) => wrapper.innerText.slice(0, 30))
"""

#: Gives headings that the invisible link behind them makes a line longer.
LONG_HEADINGS = """
return [...document.querySelectorAll(":is(h1, h2, h3) > .headerlink")].filter((link) => {
    const height = link.parentElement.clientHeight;
    link.style.display = "none";
    const is_longer = height > link.parentElement.clientHeight;
    link.style.display = "";
    return is_longer;
}).map((link) => link.parentElement.innerText)
"""

#: Gives what should have been shown and is not there.
NOT_LOADED = """
return [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)
"""

pytestmark = pytest.mark.skipif(not PAGES, reason="the site is not built: `nox -s docs` does it")


class _Links(HTMLParser):
    """The links of a page, and what can be linked to in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places = {""}
        self.feed((SITE / page).read_text(encoding="utf-8"))

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.places.add(value or "")
            elif name == "href" and tag == "a":
                self.links.add(value or "")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The URL of the site."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, cwd=SITE, stdout=PIPE, stderr=DEVNULL, text=True) as server:
        assert server.stdout
        yield server.stdout.readline().split("(")[1].rstrip("/) .\n")
        server.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser that has never been used."""
    chromium, driver = PROGRAMS.values()
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver: `.ci/install-browser` installs them")
    options = ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{option}")
    browser = Chrome(options, ChromeService(driver))
    yield browser
    browser.quit()


def set_width(browser: Chrome, width: int) -> None:
    """Show pages as on a screen, or a telephone, of this width in pixels."""
    # Headless Chromium has no window narrower than 500 pixels, but shows a page as on a telephone.
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_can_be_read(browser: Chrome, site: str, width: int) -> None:
    """No page scrolls sideways or is cut off, no column is narrower than 12 characters.

    No picture is missing, and no heading has an empty line.
    """
    set_width(browser, width)
    wrong: dict[str, object] = {}
    for page in PAGES:
        browser.get(f"{site}/{page}")
        checks = NARROW_COLUMNS, CUT_OFF, LONG_HEADINGS, NOT_LOADED
        found = [browser.execute_script(code) for code in (SIDEWAYS, *checks)]
        if found[0] > 0 or any(found[1:]):
            wrong[page] = found

    assert wrong == {}


@pytest.mark.timeout(300)
def test_code_fits_on_a_screen(browser: Chrome, site: str) -> None:
    """On a screen no block of code scrolls sideways, but for the pages that show a test."""
    set_width(browser, 1280)
    wrong: dict[str, object] = {}
    for page in PAGES:
        browser.get(f"{site}/{page}")
        wide = browser.execute_script(WIDE_CODE)
        if wide and not page.startswith("tests/"):
            wrong[page] = wide

    assert wrong == {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("width", "columns"), [(1280, 99), (400, 3)])
def test_tables_fit(browser: Chrome, site: str, width: int, columns: int) -> None:
    """On a screen no table scrolls sideways; on a telephone none of up to three columns does."""
    set_width(browser, width)
    wrong: dict[str, object] = {}
    for page in PAGES:
        browser.get(f"{site}/{page}")
        if wide := browser.execute_script(WIDE_TABLES, columns):
            wrong[page] = wide

    assert wrong == {}


def test_search_finds_a_function(browser: Chrome, site: str) -> None:
    """A search for `in_caller_thread` finds its reference."""
    browser.get(f"{site}/search.html?q=in_caller_thread")

    def results(browser: Chrome) -> list[str]:
        links = browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
        return [link.get_attribute("href") or "" for link in links]

    found = WebDriverWait(browser, 20).until(results)

    assert f"{site}/api.html#aiofutures.in_caller_thread" in found


def test_links_within_the_site_lead_somewhere() -> None:
    """Each link to a page, or a place in it, leads to what exists."""
    pages = {page: _Links(page) for page in PAGES}
    wrong: list[tuple[str, str]] = []
    for page, links in pages.items():
        for link in links.links:
            path, place = urldefrag(link)
            if "://" in path or path.startswith("mailto:"):
                continue
            target = (SITE / page).parent / unquote(path) if path else SITE / page
            name = str(target.resolve().relative_to(SITE.resolve()))
            exists = place in pages[name].places if name in pages else target.exists() and not place
            if not exists:
                wrong.append((page, link))

    assert wrong == []
