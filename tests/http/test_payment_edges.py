"""Where subscribing has its corners: the end of a period, the turn of an hour, odd addresses and odd events."""

import json

import pytest

from tests.http.conftest import OpenSite
from tests.http.paying import checkout, manage, pay, press, standing
from tests.http.site import MIRA, Clock
from tests.http.test_webhook import EVENT, SECRET, STRIPE, post_signed


async def test_after_the_period_of_a_cancelled_subscription_one_can_subscribe_again(
    open_site: OpenSite, clock: Clock
) -> None:
    site = await open_site()
    mira = await site.person()
    await pay(site, mira)
    await manage(site, mira, "cancel")
    clock.forward(days=30)
    await mira.sign_in(MIRA)
    assert (await standing(mira))["plan"] == "basic"

    await pay(site, mira)

    assert (await standing(mira))["plan"] == "pro"


async def test_a_second_click_after_the_hour_has_turned_leads_to_the_same_page(
    open_site: OpenSite, clock: Clock
) -> None:
    mira = await (await open_site()).person()
    clock.forward(minutes=59, seconds=59)
    await mira.sign_in(MIRA)
    first = await checkout(mira)
    clock.forward(seconds=2)
    assert await checkout(mira) == first


async def test_a_frontend_whose_address_has_a_query_keeps_it(open_site: OpenSite) -> None:
    site = await open_site(FRONTEND_URL="https://app.example/?page=me")
    page = await checkout(await site.person())
    back = await press(site, page["checkout_url"], "cancel")
    assert dict(back.params) == {"page": "me", "checkout": "cancelled"}


@pytest.mark.parametrize("settings", [{}, STRIPE], ids=["sandbox", "stripe"])
@pytest.mark.parametrize("field", ["id", "type"])
@pytest.mark.parametrize("word", [r"\ud800", r"\u0000", "e" * 256], ids=["surrogate", "nul", "long"])
async def test_a_signed_event_whose_words_no_database_keeps_is_no_event(
    open_site: OpenSite, settings: dict[str, str], field: str, word: str
) -> None:
    site = await open_site(STRIPE_WEBHOOK_SECRET=SECRET, **settings)
    body = json.dumps(EVENT).replace(json.dumps(EVENT[field]), f'"{word}"').encode()
    assert word.encode() in body
    assert (await post_signed(site, body)).status_code == 400
