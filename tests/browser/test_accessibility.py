"""axe-core looks at every page: nothing serious or critical for people who listen, type, or see little contrast.

axe/ holds axe-core 4.14.1 as it was published (MPL-2.0); only this test uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
RUN = """async () => {
  document.querySelectorAll("article details").forEach(e => { e.open = true; });
  if (window.MathJax) await MathJax.startup.promise;
  return (await axe.run(document, {resultTypes: ["violations"]})).violations;
}"""
BAD = {"serious", "critical"}


def findings(browser: Browser, url: str, mode: str, spoil: str = "() => 0") -> list[str]:
    """What axe calls serious or critical on a page, after a script that may spoil it."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=mode)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url, wait_until="load")
    page.evaluate(spoil)
    page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN)
    context.close()
    return [
        f"{f['id']} ({f['impact']}): {n['html'][:200]}"
        for f in found
        if f["impact"] in BAD
        for n in f["nodes"]
    ]


def test_axe_finds_nothing_serious(
    browser: Browser, server: str, any_page: str, counted: Callable[[str], None]
) -> None:
    # Colours differ by mode, names do not: every other page is looked at in the dark.
    mode = "dark" if sum(map(ord, any_page)) % 2 else "light"
    found = findings(browser, f"{server}/{any_page}", mode)
    counted(f"{any_page}: axe finds {len(found)} serious or critical faults ({mode})")
    assert found == []


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        ("() => document.querySelectorAll('img').forEach(e => e.removeAttribute('alt'))", "image-alt"),
        ("() => { document.querySelector('article p').style.color = '#ddd'; }", "color-contrast"),
    ],
)
def test_axe_finds_what_is_spoiled(browser: Browser, server: str, spoil: str, fault: str) -> None:
    assert any(fault in found for found in findings(browser, f"{server}/book/intro.html", "light", spoil))
