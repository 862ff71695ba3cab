"""The payment sandbox's pages: the buttons for paying and managing, and closed pages."""

import re

import httpx
import pytest

from tests.http.conftest import OpenSite
from tests.http.paying import becomes, checkout, portal
from tests.http.site import RAVI, Clock, Person, Site, until

UNKNOWN = [
    ("GET", "/sandbox/checkout/cs_sandbox_0123456789abcdef0123456789abcdef"),
    ("GET", "/sandbox/checkout/%00"),
    ("GET", "/sandbox/checkout/%3Cscript%3E"),
    ("POST", "/sandbox/checkout/none/pay"),
    ("POST", "/sandbox/checkout/none/cancel"),
    ("GET", "/sandbox/portal/none"),
    ("GET", "/sandbox/portal/%ff"),
    ("POST", "/sandbox/portal/none/cancel"),
]


def read_page(response: httpx.Response, status: int = 200) -> list[str]:
    """Check the page; returns the paths of its buttons."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.text.count("<h1>") == 1
    for external in ("<script", "src=", 'rel="stylesheet"'):
        assert external not in response.text
    return re.findall(r'<form method="post" action="([^"]+)">', response.text)


async def test_paying_redirects_and_makes_the_account_pro(site: Site, mira: Person) -> None:
    page = (await checkout(mira))["checkout_url"]
    browser = site.visitor()
    opened = await browser.get(page)
    pay, cancel = read_page(opened)
    assert "no money moves" in opened.text
    assert (httpx.URL(page).path + "/pay", httpx.URL(page).path + "/cancel") == (pay, cancel)

    for _ in range(2):
        paid = await browser.post(pay)
        assert paid.status_code == 303
        assert httpx.URL(paid.headers["location"]).path == "/chat"
    await becomes(mira, plan="pro", status="active", cancel_at_period_end=False)
    assert (await mira.post("/subscribe/pro")).json()["code"] == "already_subscribed"
    # The button remains, for a customer whose first redirect was lost.
    assert read_page(await browser.get(page), 410) == [pay]
    assert read_page(await browser.post(cancel), 410) == [pay]


async def test_cancelled_checkout_stays_open(site: Site, mira: Person) -> None:
    browser = site.visitor()
    page = (await checkout(mira))["checkout_url"]
    pay, cancel = read_page(await browser.get(page))
    left = await browser.post(cancel)
    assert left.status_code == 303
    assert httpx.URL(left.headers["location"]).path == "/chat"
    assert (await mira.get("/subscription/status")).json()["plan"] == "basic"
    assert read_page(await browser.get(page)) == [pay, cancel]


async def test_page_expires_after_a_day(site: Site, mira: Person, clock: Clock) -> None:
    browser = site.visitor()
    page = (await checkout(mira))["checkout_url"]
    pay, cancel = read_page(await browser.get(page))
    clock.forward(days=1)
    for closed in (await browser.get(page), await browser.post(pay), await browser.post(cancel)):
        assert read_page(closed, 410) == []


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
async def test_unknown_pages_are_not_found(site: Site, method: str, path: str) -> None:
    answer = await site.visitor().request(method, path)
    assert read_page(answer, 404) == []
    assert "&lt;" not in answer.text


async def test_portal_has_no_buttons_before_there_is_a_subscription(site: Site, mira: Person) -> None:
    (await checkout(mira))["checkout_url"]
    assert read_page(await site.visitor().get(await portal(mira))) == []


async def test_portal_buttons_change_the_subscription(site: Site, mira: Person) -> None:
    browser = site.visitor()
    await browser.post(f"{(await checkout(mira))['checkout_url']}/pay")
    await becomes(mira, status="active")
    page = await portal(mira)
    buttons = {path.rpartition("/")[2]: path for path in read_page(await browser.get(page))}
    for button, expected in [
        ("cancel", {"status": "active", "cancel_at_period_end": True, "plan": "pro"}),
        ("resume", {"status": "active", "cancel_at_period_end": False, "plan": "pro"}),
        ("fail", {"status": "past_due", "plan": "pro"}),
        ("settle", {"status": "active", "plan": "pro"}),
        ("cancel-now", {"status": "canceled", "plan": "basic"}),
    ]:
        pressed = await browser.post(buttons[button])
        assert pressed.status_code == 303
        assert pressed.headers["location"] == httpx.URL(page).path
        await becomes(mira, **expected)
        assert expected["status"] in (await browser.get(page)).text
    assert read_page(await browser.post(f"{page}/another"), 404) == []


async def test_portal_expires_after_an_hour(site: Site, mira: Person, clock: Clock) -> None:
    (await checkout(mira))["checkout_url"]
    page = await portal(mira)
    clock.forward(hours=1)
    assert read_page(await site.visitor().get(page), 404) == []


async def test_buttons_may_redirect_only_to_the_frontend(open_site: OpenSite) -> None:
    site = await open_site(FRONTEND_URL="https://app.example/chat")
    person = await site.person(RAVI)
    page = (await checkout(person))["checkout_url"]
    policy = (await site.visitor().get(page)).headers["content-security-policy"]
    assert "form-action 'self' https://app.example;" in policy
    paid = await site.visitor().post(f"{page}/pay")
    assert paid.headers["location"].startswith("https://app.example/chat?checkout=done&session_id=cs_sandbox_")
    assert 'href="https://app.example/chat"' in (await site.visitor().get(await portal(person))).text


async def test_pages_are_removed_with_their_account(site: Site, mira: Person) -> None:
    page = (await checkout(mira))["checkout_url"]
    await mira.delete("/user/me")

    async def is_gone() -> bool:
        return (await site.visitor().get(page)).status_code == 404

    await until(is_gone)


@pytest.mark.parametrize("path", ["/checkout/done", "/checkout/cancelled", "/checkout/back"])
async def test_return_pages_exist_without_a_frontend(site: Site, path: str) -> None:
    assert read_page(await site.visitor().get(path)) == []
