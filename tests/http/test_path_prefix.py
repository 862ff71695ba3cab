"""Behind a proxy that serves parley under a path and removes it: every address that a response has leads back."""

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from litestar.types import Receive, Scope, Send

from tests.http.conftest import OpenSite
from tests.http.site import MIRA, Person, Site

OUTSIDE = "https://example.com/chat"


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(PUBLIC_URL=f"{OUTSIDE}/")


@pytest.fixture
async def mira(site: Site) -> Person:
    """A client that reaches the server through the proxy only."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"].startswith("/chat/"), scope["path"]
        inside = {
            name: scope[name].removeprefix(prefix) for name, prefix in (("path", "/chat"), ("raw_path", b"/chat"))
        }
        await site.app({**scope, **inside}, receive, send)

    person = Person(transport=httpx.ASGITransport(app=proxy), base_url=OUTSIDE)
    await person.sign_in(MIRA)
    return person


async def test_the_documentation_loads_and_calls_that_path(mira: Person) -> None:
    page = await mira.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"]*swagger[^"]*|[^"]*start\.js)"', page.text)
    assert len(loaded) == 3
    for each in loaded:
        assert (await mira.get(urljoin(str(page.url), each))).status_code == 200
    script = await mira.get(urljoin(str(page.url), loaded[-1]))
    # Relative to the script.
    assert 'new URL("../openapi.json", document.currentScript.src)' in script.text
    document = await mira.get(urljoin(str(script.url), "../openapi.json"))
    assert document.json()["servers"] == [{"url": "/chat"}]


async def test_the_chat_page_loads_from_that_path(mira: Person) -> None:
    root = await mira.get("/")
    assert urljoin(str(root.url), root.headers["location"]) == f"{OUTSIDE}/chat"
    page = await mira.get("/chat")
    for each in re.findall(r'(?:src|href)="([^"]*)"', page.text):
        assert (await mira.get(urljoin(str(page.url), each))).status_code == 200
    old = await mira.get(f"{OUTSIDE}/chat/files/0/main.js")
    assert (await mira.get(urljoin(str(old.url), old.headers["location"]))).status_code == 200


async def test_addresses_of_a_reply(mira: Person) -> None:
    accepted = await mira.say(await mira.new_room())
    assert (await mira.get(accepted.headers["location"])).status_code == 200
    stream = await mira.get(accepted.json()["stream_url"])
    assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_pages_of_the_sandbox(mira: Person) -> None:
    page = await mira.get((await mira.post("/subscribe/pro")).json()["checkout_url"])
    for _ in range(2):
        [pay, *_] = re.findall(r'action="([^"]*)"', page.text)
        paid = await mira.post(urljoin(str(page.url), pay))
        assert (paid.status_code, paid.headers["location"].partition("?")[0]) == (303, f"{OUTSIDE}/chat")
        assert (await mira.get(paid.headers["location"])).status_code == 200
        page = await mira.get(str(page.url))
    portal = await mira.get((await mira.post("/subscription/portal")).json()["portal_url"])
    for action in re.findall(r'action="([^"]*)"', portal.text):
        done = await mira.post(urljoin(str(portal.url), action))
        assert done.status_code == 303
        assert (await mira.get(urljoin(str(portal.url), done.headers["location"]))).status_code == 200
    [back] = re.findall(r'href="(https?:[^"]*)"', portal.text)
    assert urlsplit(back).path == "/chat/chat"
