"""Edge cases of subscribing: the end of a period, a change of hour, unusual addresses and events."""

import json

import pytest

from tests.http.conftest import OpenSite
from tests.http.paying import checkout, manage, pay, press, read_subscription
from tests.http.site import MIRA, Clock
from tests.http.test_webhook import EVENT, SECRET, STRIPE, post_signed


async def test_account_can_subscribe_again_after_a_cancelled_period(open_site: OpenSite, clock: Clock) -> None:
    site = await open_site()
    mira = await site.person()
    await pay(site, mira)
    await manage(site, mira, "cancel")
    clock.forward(days=30)
    await mira.sign_in(MIRA)
    assert (await read_subscription(mira))["plan"] == "basic"

    await pay(site, mira)

    assert (await read_subscription(mira))["plan"] == "pro"


async def test_second_click_in_the_next_hour_returns_the_same_page(open_site: OpenSite, clock: Clock) -> None:
    mira = await (await open_site()).person()
    clock.forward(minutes=59, seconds=59)
    await mira.sign_in(MIRA)
    first = await checkout(mira)
    clock.forward(seconds=2)
    assert await checkout(mira) == first


async def test_query_of_the_frontend_address_is_kept(open_site: OpenSite) -> None:
    site = await open_site(FRONTEND_URL="https://app.example/?page=me")
    page = await checkout(await site.person())
    back = await press(site, page["checkout_url"], "cancel")
    assert dict(back.params) == {"page": "me", "checkout": "cancelled"}


@pytest.mark.parametrize("settings", [{}, STRIPE], ids=["sandbox", "stripe"])
@pytest.mark.parametrize("field", ["id", "type"])
@pytest.mark.parametrize("value", [r"\ud800", r"\u0000", "e" * 256], ids=["surrogate", "nul", "long"])
async def test_signed_event_with_unstorable_values_is_invalid(
    open_site: OpenSite, settings: dict[str, str], field: str, value: str
) -> None:
    site = await open_site(STRIPE_WEBHOOK_SECRET=SECRET, **settings)
    body = json.dumps(EVENT).replace(json.dumps(EVENT[field]), f'"{value}"').encode()
    assert value.encode() in body
    assert (await post_signed(site, body)).status_code == 400
