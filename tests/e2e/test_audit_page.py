"""The page of an audit in a real browser: from disk, without a network, by mouse and by keyboard."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.reporting.page_samples import large_report, shop_report
from tests.core.reporting.test_html import HOSTILE, everywhere
from tests.e2e.tools.browser import ENTER, Browser, browser
from tests.e2e.tools.processes import wait_until
from webhook.core.reporting.html import html_page

pytestmark = pytest.mark.e2e

VISIBLE = """
Array.from(document.querySelectorAll("details.row"))
  .filter((row) => row.checkVisibility())
  .map((row) => row.querySelector(".name").textContent.trim().split(" ").pop())
"""
ALL = ["night-report", "api", "web", "mailer", "ledger", "secret", "front", "agent"]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run a browser."""
    with browser(tmp_path_factory.mktemp("browser")) as window:
        yield window


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the page of a small audit, and return its address."""
    return _written(tmp_path_factory.mktemp("page") / "audit.html", html_page(shop_report()))


def _written(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


def _rows(window: Browser) -> set[str]:
    return set(window.evaluate(VISIBLE))


def test_it_opens_from_disk_and_asks_for_nothing(window: Browser, page: str) -> None:
    """Every workload is shown, nothing is logged, and no address is asked for but its own."""
    window.open(page)

    assert _rows(window) == set(ALL)
    assert window.console() == []
    assert set(window.requests()) <= {page, "about:blank"}
    assert (
        window.evaluate("document.title")
        == "4 of 7 workloads would be refused, 1 could not be judged at all (dhi-gate audit)"
    )


def test_filtering_by_text(window: Browser, page: str) -> None:
    """All words have to be found in namespace, name or images of a row; clearing shows everything again."""
    window.open(page)
    window.type("input[name=q]", "payments ledger")
    by_name = _rows(window)
    window.click("button[type=reset]")
    everything = _rows(window)
    window.type("input[name=q]", "mesh/proxy")

    assert by_name == {"ledger"}
    assert everything == set(ALL)
    assert _rows(window) == {"api"}
    assert window.evaluate("document.getElementById('shown').textContent") == "1 of 8 workloads"


def test_filtering_by_result_and_code(window: Browser, page: str) -> None:
    """Results add up, a code narrows them, and drift is a choice of its own."""
    window.open(page)
    window.click("input[name=result][value=fail]")
    failing = _rows(window)
    window.click("input[name=result][value=skip]")
    with_skipped = _rows(window)
    window.click("button[type=reset]")
    window.evaluate(
        "(() => { const code = document.querySelector('select[name=code]'); code.value = 'stale-base';"
        " code.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    stale = _rows(window)
    window.click("input[name=drift]")

    assert failing == {"night-report", "api", "web"}
    assert with_skipped == failing | {"agent"}
    assert stale == {"night-report", "web"}
    assert _rows(window) == {"web"}


def test_the_address_keeps_the_choice(window: Browser, page: str) -> None:
    """Who opens the address with its fragment sees the same rows; the links at the top set it."""
    window.open(f"{page}#result=error&namespace=payments")
    restored = _rows(window)
    window.open(page)
    window.click("input[name=result][value=pass]")
    fragment = window.evaluate("location.hash")
    window.open(page)
    window.click("a[href='#drift=yes']")

    assert restored == {"mailer"}
    assert fragment == "#result=pass"
    assert wait_until(lambda: _rows(window) == {"web"}, "the rows of the link")


def test_details_open_by_keyboard(window: Browser, page: str) -> None:
    """A row with the focus opens by Enter and then shows its verdict, with what can be copied."""
    window.open(page)
    window.evaluate("document.querySelector('details.row summary').focus()")
    window.press(ENTER)

    assert window.evaluate("document.querySelector('details.row').open")
    # What follows the opening is told to the page a moment later.
    assert window.evaluate(
        "new Promise((seen) => { const look = () => { const found = document.querySelector('details.row .verdict');"
        " if (found) seen(found.checkVisibility()); else requestAnimationFrame(look); }; look(); })"
    )
    assert "rebuild on the current build" in window.evaluate("document.querySelector('details.row').textContent")
    assert window.evaluate("document.querySelectorAll('details.row[open] .copyable + button').length") > 0


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_page_runs_nothing(window: Browser, tmp_path: Path, number: int) -> None:
    """Whatever stands in a report, no script of it runs, nothing is asked for, and no policy is even violated."""
    address = _written(tmp_path / "hostile.html", html_page(everywhere(HOSTILE[number])))
    window.open(address)
    window.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert window.console() == []
    assert set(window.requests()) <= {address, "about:blank"}
    assert (
        window.evaluate("document.querySelectorAll('img, iframe, object, embed, link, [onload], [onerror]').length")
        == 0
    )
    assert window.evaluate("document.scripts.length") == 1
    assert window.evaluate("document.title").endswith("(dhi-gate audit)")


def test_every_text_can_be_read(window: Browser, page: str) -> None:
    """In light and in dark, each text stands out from what lies behind it by 4.5 to 1 (WCAG 2.2, AA)."""
    inks = set()
    for scheme in ("light", "dark"):
        window.prefer(scheme)
        window.open(page)
        window.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        contrasts = window.evaluate(CONTRASTS)
        inks.add(window.evaluate("getComputedStyle(document.body).color"))

        assert len(contrasts) > 100
        assert [one for one in contrasts if one[0] < 4.5] == []
    window.prefer("light")

    assert len(inks) == 2


CONTRASTS = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const pixel = (color, below) => {
    canvas.fillStyle = below || "white";
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data).slice(0, 3);
  };
  const css = (parts) => `rgb(${parts.join(",")})`;
  const luminance = (parts) => {
    const [r, g, b] = parts.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const canvasColor = matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18,18,18)" : "white";
  const behind = (node) => {
    const layers = [];
    for (let one = node; one; one = one.parentElement) layers.unshift(getComputedStyle(one).backgroundColor);
    return layers.reduce((below, layer) => css(pixel(layer, below)), canvasColor);
  };
  const texts = Array.from(document.body.querySelectorAll("*")).filter((node) =>
    !(node instanceof SVGElement) && node.checkVisibility() &&
    Array.from(node.childNodes).some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim()));
  return texts.map((node) => {
    const back = behind(node);
    const [one, other] = [luminance(pixel(getComputedStyle(node).color, back)), luminance(pixel(back))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return [Math.round(ratio * 100) / 100, node.tagName, node.textContent.trim().slice(0, 40)];
  });
})()
"""


def test_a_narrow_window_needs_no_scrolling_sideways(window: Browser, page: str) -> None:
    """On a telephone nothing of the page stands outside the window."""
    window.resize(390, 800)
    window.open(page)
    overflow = window.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    window.devtools("Emulation.clearDeviceMetricsOverride")

    assert overflow <= 0


def test_ten_thousand_workloads_can_be_filtered(window: Browser, tmp_path: Path) -> None:
    """A page about a large cluster opens, and finds one workload among all."""
    window.open(_written(tmp_path / "large.html", html_page(large_report(10_000))))
    window.type("input[name=q]", "service-4321")

    assert window.evaluate(VISIBLE) == ["service-4321"]
    assert window.console() == []


def test_without_a_script_everything_can_be_read(window: Browser, page: str) -> None:
    """With scripts turned off the page is a document: all workloads and all verdicts are there."""
    window.devtools("Emulation.setScriptExecutionDisabled", value=True)
    window.open(page)
    shown = window.evaluate(
        "JSON.stringify([document.querySelectorAll('details.row').length,"
        " document.getElementById('verdicts').checkVisibility(), document.getElementById('filter').checkVisibility()])"
    )
    window.devtools("Emulation.setScriptExecutionDisabled", value=False)

    assert json.loads(shown) == [len(ALL), True, False]
