"""Hostile texts on the chat page: in messages, answers, names and titles."""

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage

ATTACKS = [
    "<script>globalThis.owned = 1</script>",
    '<img src=x onerror="globalThis.owned = 1">',
    '<svg onload="globalThis.owned = 1">',
    "[link](javascript:globalThis.owned=1)",
    "[link](JaVaScRiPt:alert(1)) [link](data:text/html,<script>1</script>) [link](vbscript:x) [link](//other.example)",
    "<javascript:alert(1)> ![picture](https://other.example/track.png) ![x](javascript:alert(1))",
    '[a](https://good.example/"onmouseover="globalThis.owned=1) `<b>` **<i>**',
    "</textarea></p><iframe src=https://other.example></iframe><style>*{display:none}</style>",
    "```html\n<script>globalThis.owned = 1</script>\n```",
    "\u202egnp.exe " + "a\u0300" * 300,
]
LONG = {
    "endless word": "w" * 32_000,
    "emoji": "😀" * 32_000,
    "brackets": "[" * 16_000,
    "stars": "*a _b " * 5_000,
    "quotes": ">" * 16_000,
    "lists": "- " * 16_000,
    "ticks": " ".join("`" * n for n in range(1, 240)),
    "lines": "> a\nb\n" * 4_000,
}


async def assert_harmless(page: ChatPage) -> None:
    assert await page.tab.evaluate("globalThis.owned ?? null") is None
    assert await page.tab.locator("#page :is(script, iframe, style, img, object, embed)").count() == 0
    hrefs = await page.tab.locator(".message a").evaluate_all("links => links.map(link => link.href)")
    assert all(href.startswith(("https://", "http://", "mailto:")) for href in hrefs), hrefs
    width = await page.tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


async def test_markup_is_text_everywhere(page: ChatPage) -> None:
    for attack in ATTACKS:
        await page.button("New chat").click()
        reply = await page.say(attack)
        await expect(reply.locator(".body")).to_contain_text("You said:")
        await assert_harmless(page)
    await page.account.click()
    await page.dialog.get_by_label("Name").fill(ATTACKS[1])
    await page.button("Save name").click()
    await page.button("Close").click()
    await expect(page.account).to_contain_text("<img")
    await page.button("Rename").click()
    await page.dialog.get_by_role("textbox").fill(ATTACKS[0])
    await page.button("Rename", page.dialog).click()
    await expect(page.rooms.first).to_contain_text("<script>")
    await page.tab.get_by_role("searchbox", name="Search").fill("script")
    await expect(page.rooms.locator("mark").first).to_have_text("script")
    await assert_harmless(page)


async def test_endless_texts_are_shown_and_the_page_stays_quick(page: ChatPage) -> None:
    for name, text in LONG.items():
        await page.button("New chat").click()
        # Chromium needs a minute to type some of these.
        await page.message.evaluate("(area, text) => { area.value = text; }", text)
        await page.button("Send").click()
        await page.ended()
        await assert_harmless(page)
        # A page that is busy for long would not answer.
        assert await page.tab.evaluate("new Promise(done => requestAnimationFrame(() => done(true)))"), name


async def test_addresses_that_are_safe_become_links(page: ChatPage) -> None:
    reply = await page.say("[a](https://a.example/x) <mailto:b@example.com> http://c.example/y. <d@example.com>")
    links = await reply.locator("a").evaluate_all("links => links.map(a => [a.getAttribute('href'), a.rel, a.target])")
    safe = ["noopener noreferrer nofollow", "_blank"]
    assert links == [
        ["https://a.example/x", *safe],
        ["mailto:b@example.com", *safe],
        ["http://c.example/y", *safe],
        ["mailto:d@example.com", *safe],
    ]
