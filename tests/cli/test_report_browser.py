# SPDX-License-Identifier: MIT
"""Reports in a real Chromium: they render at any width, the filter, the words on hover and the zoom work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from benchmarks.make_trees import build
from drmemctl.tree.writer import write_fdt
from tests import browser as browsers
from tests.browser import Browser
from tests.cases import each
from tests.cli.running import run
from tests.compare.trees import partition
from tests.conftest import FIXTURES, ROOT, fixture_trees, tree_name
from tests.pages import Element, parsed
from tests.test_wording import SIZES
from tests.wide import FULL_SIZE, share

pytestmark = pytest.mark.one_python

NAMES = [tree_name(path) for path in fixture_trees() if tree_name(path) != "trees/precas"]
TWO_NODES, LPM, V1_TREE = "kernel-arrays/numa2-plug2", "captures/6.1-lpm", "captures/5.10-v2-to-v1"
NEW_LOOKS = ("n0 boot", "n1 boot", "n0 lmb", "n1 lmb", "free")
MERGE = "captures/7.2-vectors-2"

Made = Callable[..., Path]

Looks = set[frozenset[tuple[str, str | None]]]


@pytest.fixture
def opened_looks() -> Looks:
    """Return the elements and classes of pages opened in a test: others with the same differ in numbers only."""
    return set()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from browsers.started(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a function that makes a report, once for the same arguments."""
    folder = tmp_path_factory.mktemp("reports")
    known: dict[tuple[object, ...], Path] = {}

    def report(*arguments: str | Path) -> Path:
        if arguments not in known:
            known[arguments] = folder / f"{len(known)}.html"
            assert run("report", *arguments, "-o", known[arguments]).code == 0
        return known[arguments]

    return report


def fixture(name: str) -> Path:
    return FIXTURES / f"{name}.dtb.gz"


def everything(made: Made) -> Path:
    steps = ROOT / "docs" / "scenarios" / "failed-add.steps"
    return made(fixture(LPM), fixture(V1_TREE), "-f", steps, "--kernel", "6.1")


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.replace(/\\s+/g, ' ').trim())",
        selector,
    )
    return found


def bars(browser: Browser, box: str = "map") -> list[list[str]]:
    """Return class and words of each bar that the script drew."""
    found: list[list[str]] = browser.run(
        "return [...document.querySelectorAll(`#${arguments[0]} g.bar[data-index]`)]"
        ".map(e => [e.getAttribute('class'), e.getAttribute('aria-label')])",
        box,
    )
    return found


def rows(browser: Browser) -> list[list[str]]:
    found: list[list[str]] = browser.run(
        "return [...document.getElementById('lmb-table').tBodies[0].rows]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def fine(browser: Browser, *asked: Path) -> None:
    """Assert that the page works, fits its window, and that nothing but these files was asked for."""
    from selenium.webdriver.support.wait import WebDriverWait

    # On a very busy machine chromedriver has come back before the page's script had run.
    WebDriverWait(browser.driver, 60).until(
        lambda _: browser.run("return document.documentElement.className") == "ready"
    )
    assert browser.console() == []
    assert browser.requests() == [page.as_uri() for page in asked]
    assert browser.run("return document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_a_page_about_a_fleet_renders_at_phone_and_desk_width(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (it has no wheels for ppc64le)")
    from tests.fleet.datasets import add_inputs, captures

    page = tmp_path / "fleet.html"
    add_inputs(tmp_path / "fleet", 1, [*captures(tmp_path), fixture("boot/aa-out-of-range")])
    assert run("fleet", "report", tmp_path / "fleet", "-o", page).code == 0
    browser.open(page, 360)
    for width in (360, 1600):
        browser.resize(width)
        assert browser.run("return document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]
    assert texts(browser, "h2")[:2] == ["Overview", "Rules"]
    assert texts(browser, "#drift caption") == ["lpar7"]


WIDTHS = list(zip(NAMES, cycle([(360, 1600), (1600, 360)]), strict=False))


@each(("name", "widths"), WIDTHS if FULL_SIZE else share(WIDTHS, 0, 2))
def test_trees_of_every_look_render_at_phone_and_desk_width(
    browser: Browser, made: Made, name: str, widths: tuple[int, int], opened_looks: Looks
) -> None:
    page = made(fixture(name))
    source = parsed(page.read_text(encoding="utf-8"))
    looks = frozenset((element.tag, element.attributes.get("class")) for element in source.walk())
    if looks in opened_looks:
        return
    browser.open(page, widths[0])
    fine(browser, page)
    drawn_as_without_script(browser, source, widths[0])
    browser.resize(widths[1])
    fine(browser)
    drawn_as_without_script(browser, source, widths[1])
    opened_looks.add(looks)


def drawn_as_without_script(browser: Browser, source: Element, width: int) -> None:
    """Assert that what the script draws is what was there without it; narrow windows have shorter lines."""
    if source.all("table", id="lmb-table"):
        assert [[cell.strip() for cell in row] for row in rows(browser)] == source.one(
            "table", id="lmb-table"
        ).rows()
    if width == 1600:
        drawn = [[one.attributes["class"], one.one("title").text] for one in bars_of(source)]
        assert bars(browser) == drawn
        assert texts(browser, "#map .scale") == [source.one("div", id="map").one("p", class_="scale").text]


def bars_of(source: Element) -> list[Element]:
    picture = source.one("div", id="map").one("svg", class_="picture")
    return [
        one for one in picture.all("g") if any(isinstance(c, Element) and c.tag == "title" for c in one.children)
    ]


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_with_everything_renders_in_light_and_dark(
    browser: Browser, made: Made, width: int, dark: bool
) -> None:
    page = everything(made)
    browser.open(page, width, dark=dark)
    fine(browser, page)
    back, ink = (
        browser.run(f"return getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")
    )
    assert (brightness(back) < 60, brightness(ink) > 200) == (dark, dark)
    assert {look for look, _ in bars(browser, "map")} == {f"bar {one}" for one in NEW_LOOKS}
    assert browser.run("return [...document.querySelectorAll('.steps > li')].length") == 9


def brightness(color: str) -> float:
    parts = [int(part) for part in re.findall(r"\d+", color)[:3]]
    return sum(parts) / 3


def test_without_scripts_all_is_there_to_read(browser: Browser, made: Made) -> None:
    page = everything(made)
    browser.open(page, 360, scripts=False)
    assert browser.driver.find_element("css selector", "noscript").text.startswith("This browser runs no scripts")
    assert browser.driver.find_element("id", "filter").is_displayed() is False
    table = browser.driver.find_element("id", "lmb-table").text
    assert "0x080000000-0x1ffffffff" in table
    assert browser.driver.find_element("css selector", "#map svg.picture").is_displayed()
    browser.open(page)


# The filter


def filtered(browser: Browser, text: str = "", node: str = "", state: str = "") -> list[str]:
    """Filter as a user does and return the addresses left."""
    browser.driver.find_element("css selector", "#filter button[type=reset]").click()
    if text:
        browser.driver.find_element("id", "filter-text").send_keys(text)
    for name, value in (("node", node), ("state", state)):
        if value:
            browser.driver.find_element(
                "css selector", f"#filter-{name} option[value='{value}'], #filter-{name}"
            ).click()
            browser.run(
                "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
                "s.dispatchEvent(new Event('input', {bubbles: true}))",
                f"filter-{name}",
                value,
            )
    return [row[0] for row in rows(browser)]


def expected(*options: str) -> list[int]:
    found = json.loads(run("lmb", fixture(MERGE), *options, "--format", "json").out)
    return [one["base"] for one in found["runs"]]


def bases(addresses: list[str]) -> list[int]:
    return [int(address.partition("-")[0], 16) for address in addresses]


def test_the_filter_finds_what_lmb_finds(browser: Browser, made: Made) -> None:
    browser.open(made(fixture(MERGE)))
    assert bases(filtered(browser)) == expected()
    assert bases(filtered(browser, node="1")) == expected("--node", "1")
    assert bases(filtered(browser, state="free")) == expected("--state", "free")
    assert bases(filtered(browser, node="0", state="assigned")) == expected("--node", "0", "--state", "assigned")
    assert bases(filtered(browser, "hot-removable")) == expected("--state", "hot-removable")
    # A DRC index in the middle of a run, whose addresses it is not among; then an address.
    assert bases(filtered(browser, "0x80000106")) == [0x300000000]
    assert bases(filtered(browser, "0x310000000")) == [0x300000000]
    assert bases(filtered(browser, "0x40000000-0x70000000")) == [
        base for base in expected() if 0x40000000 <= base <= 0x70000000
    ]
    assert filtered(browser, "nothing like it") == []
    assert texts(browser, "#filter-result") == ["0 of 7 rows: 0 LMBs"]
    assert browser.console() == []


def test_the_filter_says_how_much_it_left(browser: Browser, made: Made) -> None:
    browser.open(made(fixture(TWO_NODES)))
    assert texts(browser, "#filter-result") == ["4 rows: 64 LMBs, 16 GiB"]
    filtered(browser, node="1")
    assert texts(browser, "#filter-result") == ["1 of 4 rows: 4 LMBs, 1 GiB"]
    assert texts(browser, "#filter-node option") == ["all", "A 0", "B 1"]


# The map


def pointed(browser: Browser, words: str) -> Any:
    """Return the bar with these words."""
    return browser.driver.find_element("css selector", f"#map g.bar[aria-label='{words}'] rect")


def test_pointing_at_memory_tells_what_it_is(browser: Browser, made: Made) -> None:
    from selenium.webdriver import ActionChains

    browser.open(made(fixture(TWO_NODES)))
    tip = browser.driver.find_element("id", "tip")
    assert not tip.is_displayed()
    ActionChains(browser.driver).move_to_element(
        pointed(browser, "node 1, LMBs: 0x80000000-0xbfffffff (1 GiB)")
    ).perform()
    assert tip.text.splitlines() == [
        "node 1, LMBs",
        "0x80000000-0xbfffffff (1 GiB)",
        "4 LMBs",
        "DRC 0x80000008-0x8000000b  aa 1  assigned",
    ]
    ActionChains(browser.driver).move_to_element(browser.driver.find_element("tag name", "h1")).perform()
    assert not tip.is_displayed()


def test_a_mixed_cell_tells_how_much_of_each_is_in_it(browser: Browser, made: Made) -> None:
    from selenium.webdriver import ActionChains

    browser.open(made(fixture("kernel-arrays/big-boot")))
    bar = browser.driver.find_element("css selector", "#map g.bar[data-index='0'] rect")
    ActionChains(browser.driver).move_to_element(bar).perform()
    # 16 LMBs of 256 MiB: 8 of boot memory and 8 free ones.
    assert browser.driver.find_element("id", "tip").text.splitlines()[:4] == [
        "node 0, memory@",
        "0x0-0xffffffff (4 GiB)",
        "node 0, memory@: 2 GiB",
        "free LMBs: 2 GiB",
    ]


def test_the_page_writes_sizes_as_all_tables_do(browser: Browser, made: Made) -> None:
    browser.open(made(fixture(TWO_NODES)))
    sizes = [str(n_bytes) for n_bytes, _ in SIZES]
    written = browser.run("return arguments[0].map(size => sizeText(BigInt(size)))", sizes)
    assert written == [text for _, text in SIZES]


def test_a_click_zooms_in_and_escape_out_again(browser: Browser, made: Made) -> None:
    browser.open(made(fixture("kernel-arrays/big-boot")))
    whole = bars(browser)
    browser.driver.find_element("css selector", "#map g.bar[data-index='0'] rect").click()
    assert texts(browser, "#map .scale") == ["1 cell = 1 LMB = 256 MiB, 1 line = 4 GiB"]
    assert [words for _, words in bars(browser)] == [
        "node 0, memory@: 0x0-0x7fffffff (2 GiB)",
        "free LMBs: 0x80000000-0xffffffff (2 GiB)",
    ]
    assert texts(browser, "#map .where") == ["0x0-0xffffffff (4 GiB)"]
    browser.driver.switch_to.active_element.send_keys("\ue00c")
    assert bars(browser) == whole
    assert browser.console() == []


def test_the_buttons_zoom_and_move_and_list(browser: Browser, made: Made) -> None:
    browser.open(made(fixture(TWO_NODES)))
    press = {
        button.get_attribute("aria-label"): button
        for button in browser.driver.find_elements("css selector", "#map .tools button")
    }
    press["Zoom in"].click()
    assert texts(browser, "#map .where") == ["0x100000000-0x2ffffffff (8 GiB)"]
    press["Towards lower addresses"].click()
    assert texts(browser, "#map .where") == ["0x0-0x1ffffffff (8 GiB)"]
    press["Zoom in"].click()
    press["Zoom in"].click()
    assert texts(browser, "#map .where") == ["0xc0000000-0x13fffffff (2 GiB)"]
    press["Show the LMBs of this part in the table"].click()
    assert [row[0] for row in rows(browser)] == ["0x0c0000000-0x0dfffffff", "0x0e0000000-0x3ffffffff"]
    press["Zoom out"].click()
    press["Towards higher addresses"].click()
    assert texts(browser, "#map .where") == ["0x100000000-0x1ffffffff (4 GiB)"]
    press["Show the whole map"].click()
    assert texts(browser, "#map .where") == [""]
    assert not press["Show the whole map"].is_enabled()


def test_the_map_can_be_used_by_keyboard(browser: Browser, made: Made) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(key: str) -> None:
        ActionChains(browser.driver).send_keys(key).perform()

    def focused() -> str:
        label: str = browser.run("return document.activeElement.getAttribute('aria-label')")
        return label

    browser.open(made(fixture(TWO_NODES)))
    for _ in range(60):
        press(Keys.TAB)
        if browser.run("return !!document.activeElement.closest('g.bar')"):
            break
    assert focused() == "node 0, memory@: 0x0-0x3fffffff (1 GiB)"
    press(Keys.ARROW_RIGHT)
    press(Keys.ARROW_RIGHT)
    assert focused() == "node 1, LMBs: 0x80000000-0xbfffffff (1 GiB)"
    assert browser.driver.find_element("id", "tip").is_displayed()
    press(Keys.ENTER)
    assert texts(browser, "#map .where") == ["0x80000000-0xbfffffff (1 GiB)"]
    assert focused() == "node 1, LMBs: 0x80000000-0xbfffffff (1 GiB)"
    press("-")
    assert texts(browser, "#map .where") == ["0x60000000-0xdfffffff (2 GiB)"]
    press(Keys.ESCAPE)
    assert texts(browser, "#map .where") == [""]


def test_a_finding_leads_to_its_place_on_the_map(browser: Browser, made: Made) -> None:
    browser.open(made(fixture(MERGE)))
    button = browser.driver.find_element("css selector", ".ranges li:first-child button.show")
    addresses = browser.run("return arguments[0].parentNode.dataset.range", button)
    browser.run("arguments[0].click()", button)
    first, last = (int(address, 16) for address in addresses.split("-"))
    assert texts(browser, "#map .where")[0].startswith(f"{first:#x}-{last:#x} (")
    assert browser.console() == []


def test_explanations_are_printed_open(browser: Browser, made: Made) -> None:
    browser.open(made(fixture(MERGE)))
    count = "return document.querySelectorAll('details[open]').length"
    assert browser.run(count) == 0
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run(count) == browser.run("return document.querySelectorAll('details.explain').length") > 0
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert browser.run(count) == 0
    assert browser.console() == []
    assert len(browser.command("Page.printToPDF")["data"]) > 10_000


def test_a_partition_without_any_memory_has_a_page_too(browser: Browser, made: Made, tmp_path: Path) -> None:
    tree = tmp_path / "empty.dtb"
    tree.write_bytes(write_fdt(partition([])))
    page = made(tree)
    browser.open(page)
    browser.run("window.dispatchEvent(new Event('beforeprint')); window.dispatchEvent(new Event('afterprint'))")
    fine(browser, page)
    assert texts(browser, "#map .legend li:not([hidden])") == ["no memory"]


# What may not happen


ASKING = """
const [address, done] = arguments;
const image = Object.assign(new Image(), {src: address + 'image'});
const script = Object.assign(document.createElement('script'), {textContent: 'window.ran = true'});
document.body.insertAdjacentHTML('beforeend', '<p id="added" onclick="window.clicked = true" style="color: red">');
document.body.append(image, script);
const added = document.getElementById('added');
added.click();
const red = () => getComputedStyle(added).color === 'rgb(255, 0, 0)';
const came = () => done([image.naturalWidth > 0, !!window.ran, !!window.clicked, red()]);
const ended = () => setTimeout(came, 100);
image.onload = image.onerror = () => fetch(address + 'fetched').then(ended, ended);
"""
"""What a script would do that has got into the page; says what came of it."""


class Listener(BaseHTTPRequestHandler):
    """Has a picture for whoever asks, and notes the address."""

    asked: ClassVar[list[str]] = []
    picture = b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "image/svg+xml")
        self.end_headers()
        self.wfile.write(self.picture)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def listening() -> Iterator[str]:
    """Yield the address at which a server listens."""
    Listener.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_nothing_is_loaded_even_if_a_script_asked_for_it(browser: Browser, made: Made, listening: str) -> None:
    browser.open(made(fixture(TWO_NODES)))
    assert browser.driver.execute_async_script(ASKING, listening) == [False, False, False, False]
    assert Listener.asked == []


def test_without_its_policy_a_page_would_load_and_run_all_of_that(
    browser: Browser, made: Made, listening: str, tmp_path: Path
) -> None:
    # Else the test above says nothing: what does it could be something that this browser never does.
    page = tmp_path / "open.html"
    text = made(fixture(TWO_NODES)).read_text(encoding="utf-8")
    page.write_text(re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", text), encoding="utf-8")
    browser.open(page)
    assert browser.driver.execute_async_script(ASKING, listening) == [True, True, True, True]
    assert set(Listener.asked) == {"/image", "/fetched"}


def test_hostile_text_is_text_in_a_browser_too(browser: Browser, made: Made, tmp_path: Path) -> None:
    from tests.cli.test_report import hostile

    bad = tmp_path / "bad.dtb"
    bad.write_bytes(hostile())
    page = made(fixture(LPM), bad, "--step", f"lpm {bad}", "--title", "<img src=x onerror=alert(1)>")
    browser.open(page)
    fine(browser, page)
    assert browser.run("return [document.images.length, document.scripts.length]") == [0, 2]


# The largest partition there is, of 64 TiB; without `WIDE=1` one of 8 TiB


def test_very_many_lmbs_of_which_no_two_are_alike(browser: Browser, made: Made, tmp_path: Path) -> None:
    lmbs = 262_144 if FULL_SIZE else 32_768
    tree = tmp_path / "worst.dtb"
    tree.write_bytes(build(lmbs, "worst"))
    page = made(tree)
    assert page.stat().st_size < 2_000_000
    browser.open(page)
    fine(browser, page)
    # What is drawn does not grow with the partition; `make bench` says how long it takes.
    assert browser.run("return document.getElementsByTagName('*').length") < 5000
    assert texts(browser, "#filter-result") == [f"{lmbs:,} rows: {lmbs:,} LMBs, {lmbs >> 12} TiB"]
    # A number is an address as well as a DRC index.
    assert bases(filtered(browser, f"{(8 << 28) + lmbs - 1:#x}")) == [8 << 28, (lmbs - 1) << 28]
    # Every eighth LMB is on node 0, but the first: that is boot memory.
    filtered(browser, node="0")
    assert texts(browser, "#filter-result") == [
        f"{lmbs // 8 - 1:,} of {lmbs:,} rows: {lmbs // 8 - 1:,} LMBs, {(lmbs // 8 - 1) / 4:.2f} GiB"
    ]
    browser.driver.find_element("css selector", "#lmb-table-rest button").click()
    assert len(rows(browser)) == 400
    for _ in range((lmbs // 256).bit_length() - 1):
        browser.driver.find_element("css selector", "#map button[aria-label='Zoom in']").click()
    assert texts(browser, "#map .scale")[0].startswith("1 cell = 1 LMB = 256 MiB")
    assert len(bars(browser)) >= 256
