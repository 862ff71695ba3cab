"""The webhook: unsigned, outdated and malformed bodies leave no row; an event counts once."""

import asyncio
import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest

from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import events
from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.paying import PAYING, becomes, checkout, portal, read_subscription
from tests.http.site import Clock, Site
from tests.servers.stripe_account import sign

SECRET = "whsec_of these tests"
PATHS = ["/webhook/stripe", "/payments/webhook/stripe"]
JSON = {"Content-Type": "application/json; charset=utf-8"}
# Nothing listens there, so that calls to Stripe fail at once.
STRIPE = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_PRICE_ID": "price_1", "STRIPE_API_BASE": "http://127.0.0.1:1"}

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "customer.subscription.updated",
    "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active"}},
}
BODY = json.dumps(EVENT).encode()


@pytest.fixture(params=[{}, STRIPE], ids=["sandbox", "stripe"])
def provider(request: pytest.FixtureRequest) -> dict[str, str]:
    return request.param


@pytest.fixture
async def site(open_site: OpenSite, provider: dict[str, str]) -> Site:
    return await open_site(STRIPE_WEBHOOK_SECRET=SECRET, **provider)


def event(**fields: Any) -> bytes:
    return json.dumps(EVENT | fields).encode()


async def post(site: Site, body: bytes, signature: str | None, path: str = PATHS[0], **headers: str) -> httpx.Response:
    signed = {} if signature is None else {"Stripe-Signature": signature.encode()}
    return await site.visitor().post(path, content=body, headers=JSON | signed | headers)


async def post_signed(site: Site, body: bytes, path: str = PATHS[0], **headers: str) -> httpx.Response:
    return await post(site, body, sign(body, SECRET, site.clock.now), path, **headers)


async def all_rows(site: Site) -> dict[str, list[Any]]:
    """All rows except the leases, which workers take and release at any time."""
    return {table: rows for table, rows in (await site.rows()).items() if table != "leases"}


async def stored(site: Site) -> list[Any]:
    async with site.parley.database.transaction(read_only=True) as transaction:
        return await transaction.all(Statement(events.select().order_by(events.c.provider_id)))


def received(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()) == (200, {"received": True}), answer.text


def mac_of(moment: int, body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), b"%d.%b" % (moment, body), sha256).hexdigest()


def forged(now: int) -> dict[str, str | None]:
    """Headers that do not sign BODY, by their fault."""
    mac = mac_of(now)
    return {
        "no header": None,
        "empty header": "",
        "another secret": f"t={now},v1={mac_of(now, secret='whsec_another')}",
        "no secret": f"t={now},v1={mac_of(now, secret='')}",
        "another body's": f"t={now},v1={mac_of(now, BODY + b' ')}",
        "the body's alone": f"t={now},v1={hmac.new(SECRET.encode(), BODY, sha256).hexdigest()}",
        "one digit more": f"t={now},v1={mac}0",
        "altered time": f"t={now + 1},v1={mac}",
        "no time": f"v1={mac}",
        "two times": f"t={now},t={now - 1},v1={mac}",
        "no number for a time": f"t=now,v1={mac}",
        "a time in other digits": f"t=²³,v1={mac}",
        "an endless time": f"t={'9' * 5_000},v1={mac}",
        "a negative time": f"t=-{now},v1={mac}",
        "empty signature": f"t={now},v1=",
        "signature of another scheme": f"t={now},v0={mac}",
        "signature in other letters": f"t={now},v1={'é' * 64}",
        "many wrong signatures": f"t={now}" + f",v1={'0' * 64}" * 100,
    }


async def test_unsigned_event_is_refused_and_leaves_no_row(site: Site, subtests: pytest.Subtests) -> None:
    before = await all_rows(site)
    for name, header in forged(int(site.clock.now.timestamp())).items():
        for path in PATHS:
            with subtests.test(name, path=path):
                refused(await post(site, BODY, header, path), 400, "event_invalid")
    assert await all_rows(site) == before


ALTERED = {
    "one letter": BODY.replace(b"active", b"Active"),
    "one space more": BODY.replace(b": ", b":  ", 1),
    "no spaces": json.dumps(EVENT, separators=(",", ":")).encode(),
    "a line's end": BODY + b"\n",
    "another order": json.dumps(dict(reversed(EVENT.items()))).encode(),
    "another spelling": BODY.replace(b"active", b"\\u0061ctive"),
    "nothing": b"",
    "its beginning": BODY[:-1],
}


@pytest.mark.parametrize("body", ALTERED.values(), ids=ALTERED)
async def test_every_byte_of_the_body_is_signed(site: Site, body: bytes) -> None:
    before = await all_rows(site)
    refused(await post(site, body, sign(BODY, SECRET, site.clock.now)), 400, "event_invalid")
    assert await all_rows(site) == before


async def test_signature_covers_the_raw_bytes(site: Site) -> None:
    indented = b"\r\n " + json.dumps(EVENT, indent=7).encode() + b"\t\n"
    received(await post_signed(site, indented))
    assert len(await stored(site)) == 1


@pytest.mark.parametrize(("age", "passes"), [(0, True), (299, True), (301, False), (-299, True), (-301, False)])
async def test_signature_is_valid_for_five_minutes(site: Site, clock: Clock, age: int, passes: bool) -> None:
    before = await all_rows(site)
    answer = await post(site, BODY, sign(BODY, SECRET, clock.now - timedelta(seconds=age)))
    if passes:
        received(answer)
        assert len(await stored(site)) == 1
    else:
        refused(answer, 400, "event_invalid")
        assert await all_rows(site) == before


async def test_one_valid_signature_among_several_is_enough(site: Site) -> None:
    now = int(site.clock.now.timestamp())
    others = f"v1={'0' * 64},v0={'1' * 64}, v1={mac_of(now, secret='whsec_the_next')}"
    received(await post(site, BODY, f"t={now},{others},v1={mac_of(now)}"))
    assert len(await stored(site)) == 1


NO_EVENTS = {
    "empty": b"",
    "no JSON": b"evt_1",
    "half of it": BODY[: len(BODY) // 2],
    "not UTF-8": BODY.replace(b"cus_1", b"\xff\xfe"),
    "an array": b"[" + BODY + b"]",
    "a word": b'"evt_1"',
    "a number": b"1" * 5_000,
    "null": b"null",
    "no id": json.dumps({name: value for name, value in EVENT.items() if name != "id"}).encode(),
    "empty id": event(id=""),
    "a number for an id": event(id=7),
    "no type": json.dumps({name: value for name, value in EVENT.items() if name != "type"}).encode(),
    "null for a type": event(type=None),
    "an array for data": event(data=[EVENT["data"]]),
    "a word for an object": event(data={"object": "sub_1"}),
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"id":' * 100_000,
    "a deep event": BODY[:-1] + b', "more": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
}


async def test_signed_body_that_is_no_event_is_refused_and_leaves_no_row(
    site: Site, logs: Logs, subtests: pytest.Subtests
) -> None:
    before = await all_rows(site)
    for name, body in NO_EVENTS.items():
        with subtests.test(name):
            refused(await post_signed(site, body), 400, "event_invalid")
    assert await all_rows(site) == before
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]


async def test_signed_event_without_an_object_is_acknowledged(site: Site) -> None:
    bodies = [event(id="evt_thin_1", data={}), event(id="evt_thin_2", data={"object": None}), event(id="evt_thin_3")]
    without = json.loads(bodies.pop())
    del without["data"]
    for body in [*bodies, json.dumps(without).encode()]:
        received(await post_signed(site, body))


async def test_body_may_have_one_megabyte_and_not_a_byte_more(site: Site) -> None:
    body = BODY.ljust(1_000_000)
    before = await all_rows(site)
    refused(await post_signed(site, body + b" "), 413, "body_too_large")
    assert await all_rows(site) == before
    received(await post_signed(site, body))


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_other_media_types_are_refused(site: Site, media_type: str) -> None:
    before = await all_rows(site)
    refused(await post_signed(site, BODY, **{"Content-Type": media_type}), 415, "unsupported_media_type")
    assert await all_rows(site) == before


@pytest.mark.parametrize("path", PATHS)
async def test_webhook_is_not_found_without_a_secret(open_site: OpenSite, provider: dict[str, str], path: str) -> None:
    site = await open_site(**provider)
    for secret in ("", SECRET):
        refused(await post(site, BODY, sign(BODY, secret, site.clock.now), path), 404, "not_found")
    assert await stored(site) == []


async def test_repeated_event_is_stored_once(site: Site) -> None:
    for path in PATHS:
        received(await post_signed(site, BODY, path))
    for answer in await asyncio.gather(*(post_signed(site, BODY, PATHS[number % 2]) for number in range(50))):
        received(answer)
    [row] = await stored(site)
    assert (row.provider_id, row.kind, row.customer_id, row.subscription_id) == (
        "evt_1",
        EVENT["type"],
        "cus_1",
        "sub_1",
    )


async def test_irrelevant_kinds_are_stored_as_handled(site: Site) -> None:
    kinds = ["payment_intent.created", "customer.created", "no.such.kind", "x" * 255]
    for number, kind in enumerate(kinds):
        received(await post_signed(site, event(id=f"evt_{number}", type=kind, data={"object": {}})))
    rows = await stored(site)
    assert {row.kind for row in rows} == set(kinds)
    assert all(row.handled_at == site.clock.now and row.claimable_at is None for row in rows)


@pytest.mark.parametrize("path", PATHS)
async def test_events_change_the_plan_to_pro_and_back(open_site: OpenSite, path: str) -> None:
    site = await open_site(STRIPE_WEBHOOK_SECRET=SECRET)
    mira, sandbox = await site.person(), site.parley.billing.sandbox
    assert sandbox is not None
    signed_events = await sandbox.pay((await checkout(mira))["session_id"])

    assert (await read_subscription(mira))["plan"] == "basic"
    for body, signature in reversed(signed_events * 2):
        received(await post(site, body, signature, path))
    await becomes(mira, **PAYING)
    assert len(await stored(site)) == len(signed_events)
    for body, signature in await sandbox.cancel((await portal(mira)).rpartition("/")[2], at_once=True):
        received(await post(site, body, signature, path))
    await becomes(mira, plan="basic", status="canceled")
