"""The page of a shared conversation: which clients get it, what it says, and that nothing in it can run."""

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser

import httpx
import pytest

from parley.core.chat.errors import ModelRefused
from tests.http.answers import refused
from tests.http.scripted_model import ScriptedModel
from tests.http.site import Person, Site
from tests.http.test_sharing import share

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</div></main></title></style><svg onload=alert(1)>",
    "```html\n<iframe srcdoc='<script>alert(1)</script>'></iframe>\n```",
    "[a link](javascript:alert(1)) &lt;b&gt; &#60;b&#62;",
    "<!-- -->]]><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "\u202eevil\u2066 <base href=//evil.example>",
]


class Page(HTMLParser):
    """What a browser makes of the page: its elements, and its text."""

    def __init__(self, response: httpx.Response, status: int = 200) -> None:
        super().__init__()
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["vary"] == "Accept"
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.elements if each == tag]


async def read(site: Site, path: str, *, status: int = 200, **query: str) -> Page:
    return Page(await site.visitor().get(path, params=query, headers={"Accept": BROWSER}), status)


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/*", True),
        ("text/html;q=0.9, application/json;q=0.5", True),
        ("*/*", False),
        (None, False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("application/*, text/html;q=0.5", False),
        ("image/png", False),
        ("text/html;q=inf", False),
        ("text/html;q=nonsense", True),
        (";;;,,,", False),
        ("text/html" + "," * 1_000, False),
    ],
)
async def test_page_is_for_those_who_prefer_it(
    site: Site, mira: Person, room: str, accept: str | None, is_page: bool
) -> None:
    visitor = site.visitor()
    del visitor.headers["accept"]
    answer = await visitor.get(await share(mira, room), headers={} if accept is None else {"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html" if is_page else "application/json")
    missing = await visitor.get("/shared/none", headers={} if accept is None else {"Accept": accept})
    assert missing.headers["content-type"].startswith("text/html" if is_page else "application/problem+json")


async def test_page_says_who_wrote_what_and_how_it_ended(site: Site, mira: Person, model: ScriptedModel) -> None:
    model.on("Fail", "The beginning", ModelRefused("model_refused", "A private detail."))
    room = await mira.new_room("Holiday plans", instructions="Be polite.")
    await mira.hear(room)
    await mira.hear(room, "Fail")
    page = await read(site, await share(mira, room))

    text = "\n".join(page.words)
    for word in (
        "Holiday plans",
        "User",
        "Assistant (scripted/one)",
        "You said: Hello",
        "14 March 2026",
        "did not finish",
    ):
        assert word in text
    assert "Be polite" not in text
    assert "private" not in text
    assert [each["class"] for each in page.all("article")] == ["user", "assistant"] * 2
    assert page.all("html") == [{"lang": "en"}]
    assert {"name": "robots", "content": "noindex, nofollow"} in page.all("meta")
    assert any(each.get("name") == "viewport" for each in page.all("meta"))
    # Each text has the direction of its own first letter.
    assert {each.get("dir") for each in (*page.all("h1"), *page.all("div"))} == {"auto"}


async def test_nothing_that_was_written_is_markup(site: Site, mira: Person, model: ScriptedModel) -> None:
    title = "</title><script>alert(1)</script>"
    room = await mira.new_room(title)
    plain = await read(site, await share(mira, room))
    for attack in ATTACKS:
        model.on(attack, attack)
        await mira.hear(room, attack)
    attacked = await read(site, await share(mira, room))

    assert attacked.tags <= plain.tags | {"article", "h2", "div"}
    assert not {name for _, attributes in attacked.elements for name in attributes if name.startswith("on")}
    assert [words for words in attacked.words if words in ATTACKS] == [each for each in ATTACKS for _ in "12"]
    assert attacked.words.count(title) == 2


async def test_page_runs_nothing_and_loads_nothing(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    answers = [await site.visitor().get(each, headers={"Accept": BROWSER}) for each in (path, "/shared/none")]
    for answer in answers:
        [style] = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = base64.b64encode(sha256(style.encode()).digest()).decode()
        assert answer.headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert "prefers-color-scheme: dark" in style
        assert "<script" not in answer.text
        assert not re.search(r"\sstyle=|\son\w+=|(src|href)=\"(?!data:,)", answer.text)
    assert answers[0].headers["x-robots-tag"] == "noindex, nofollow"


async def test_empty_copy_says_so(site: Site, mira: Person, room: str) -> None:
    assert any("no messages" in words for words in (await read(site, await share(mira, room))).words)


async def test_unknown_and_ended_copies_are_pages_too(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    await mira.delete(f"/chatroom/{room}/share")
    texts = [(await read(site, each, status=404)).words for each in (path, "/shared/none", "/shared/%3Cscript%3E")]
    assert texts[0] == texts[1] == texts[2]
    assert "There is no shared conversation at this address." in texts[0]
    assert "cursor" in " ".join((await read(site, await share(mira, room), status=400, cursor="<x>")).words)
    assert "limit" in " ".join((await read(site, await share(mira, room), status=400, limit="<x>")).words)


async def test_long_conversation_has_links_to_its_other_pages(site: Site, mira: Person, room: str) -> None:
    for number in range(51):
        await mira.hear(room, str(number))
    path = await share(mira, room)
    first = await read(site, path)
    assert len(first.all("article")) == 100
    [onward] = first.all("a")
    assert onward["rel"] == "next"
    last = Page(await site.visitor().get(path + str(onward["href"]), headers={"Accept": BROWSER}))
    assert len(last.all("article")) == 2
    assert [each["href"] for each in last.all("a")] == ["?"]


async def test_other_methods_are_refused_as_problems(site: Site, mira: Person, room: str) -> None:
    answer = await site.visitor().post(await share(mira, room), headers={"Accept": BROWSER}, json={})
    refused(answer, 405, "method_not_allowed")
