"""The payment provider of a parley without Stripe: no money moves, and all else is as with Stripe.

A checkout page and the subscription that comes of it are one object: paying is one swap of its text, and so is every
change after it. Whoever finds that another was quicker starts again from what it is now.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from parley.adapters.payments.sandbox import events
from parley.adapters.payments.sandbox.objects import (
    PERIOD,
    CheckoutObject,
    PortalObject,
    SandboxState,
    as_of,
    text_of,
)
from parley.core.accounts.ports import NewToken
from parley.core.billing.errors import CheckoutNotFound, PaymentsRefused
from parley.core.billing.model import Checkout, ProviderEvent, ReturnAddresses, Subscription, SubscriptionStatus
from parley.core.billing.sandbox import CheckoutPage, PageState, PortalPage, SignedEvent
from parley.core.ports import Clock

CHECKOUT_LIFE = timedelta(hours=24)
PORTAL_LIFE = timedelta(hours=1)

_CUSTOMER, _CHECKOUT, _SUBSCRIPTION = "cus_sandbox_", "cs_sandbox_", "sub_sandbox_"
# Nothing else reaches the database, which would choke on some of what an address can hold.
_CHECKOUT_ID = re.compile(_CHECKOUT + "[0-9a-f]{32}")

_Change = Callable[[Subscription], Subscription]


class SandboxPayments:
    """The `PaymentProvider`, and the `SandboxActions` of its pages.

    `secret` signs events and makes pages hard to guess; the pages' addresses begin with `public_url`. Raises ValueError
    without a secret: anybody could sign with an empty one.
    """

    def __init__(self, state: SandboxState, *, secret: bytes, public_url: str, now: Clock, new_token: NewToken) -> None:
        if not secret:
            raise ValueError("The sandbox's secret is empty: anybody could sign events.")
        self._state = state
        self._secret = secret
        self._pages = f"{public_url}/sandbox"
        self._now = now
        self._new_token = new_token

    async def create_customer(self, account_id: UUID, *, email: str | None, mobile_number: str | None) -> str:
        del email, mobile_number  # There is nobody to write to.
        customer_id = _CUSTOMER + account_id.hex
        await self._state.add(customer_id, customer_id, "{}")
        return customer_id

    def owns(self, customer_id: str) -> bool:
        return customer_id.startswith(_CUSTOMER)

    async def open_checkout(
        self, customer_id: str, *, account_id: UUID, back: ReturnAddresses, once: str, now: datetime
    ) -> Checkout:
        fresh = text_of(CheckoutObject(customer_id, account_id, back, now + CHECKOUT_LIFE))
        session_id = _CHECKOUT + self._digest("checkout", customer_id, once)
        while not await self._state.add(session_id, customer_id, fresh):
            found = await self._find(session_id)
            if found is None or found.state(now) is PageState.OPEN:
                break
            # The next page hangs on this one, so that callers still agree on which it is.
            session_id = _CHECKOUT + self._digest("checkout", customer_id, session_id)
        await self._require_customer(customer_id)
        return Checkout(f"{self._pages}/checkout/{session_id}", session_id)

    async def open_portal(self, customer_id: str, *, back: ReturnAddresses) -> str:
        token = self._new_token()
        portal = PortalObject(customer_id, back.portal, self._now() + PORTAL_LIFE)
        await self._state.add(self._portal_id(token), customer_id, text_of(portal))
        await self._require_customer(customer_id)
        return f"{self._pages}/portal/{token}"

    async def subscription(self, subscription_id: str) -> Subscription | None:
        found = await self._find(_session_id(subscription_id))
        return None if found is None or found.subscription is None else as_of(found.subscription, self._now())

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        """The latest first."""
        kept = await self._state.of_customer(customer_id)
        checkouts = [_checkout(text) for object_id, text in kept if object_id.startswith(_CHECKOUT)]
        paid = [(each.paid_at, each.subscription) for each in checkouts if each.paid_at and each.subscription]
        now = self._now()
        return [as_of(subscription, now) for _, subscription in sorted(paid, key=lambda each: each[0], reverse=True)]

    async def erase_customer(self, customer_id: str) -> None:
        await self._state.remove_customer(customer_id)

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        return events.read_event(body, signature, secret=self._secret, now=now)

    async def check(self) -> None:
        """Nothing is far away."""

    async def close(self) -> None:
        """Nothing is open."""

    async def read_checkout(self, session_id: str) -> CheckoutPage:
        found = await self._find(session_id)
        if found is None:
            raise CheckoutNotFound
        # Stripe's pages tell it too.
        mark = "&" if urlsplit(found.back.paid).query else "?"
        back = replace(found.back, paid=f"{found.back.paid}{mark}session_id={session_id}")
        return CheckoutPage(session_id, found.state(self._now()), found.expires_at, back)

    async def pay(self, session_id: str) -> list[SignedEvent]:
        return await self._swap(session_id, partial(_paid, session_id=session_id, now=self._now()))

    async def leave(self, session_id: str) -> str:
        page = await self.read_checkout(session_id)
        if page.state is not PageState.OPEN:
            raise CheckoutNotFound
        return page.back.cancelled

    async def read_portal(self, token: str) -> PortalPage:
        text = await self._state.get(self._portal_id(token))
        portal = None if text is None else msgspec.json.decode(text, type=PortalObject)
        if portal is None or portal.expires_at <= self._now():
            raise CheckoutNotFound
        subscriptions = await self.subscriptions(portal.customer_id)
        # One that runs is what somebody wants to manage; without any, the latest.
        running = [each for each in subscriptions if each.status is not SubscriptionStatus.CANCELED]
        return PortalPage(next(iter(running or subscriptions), None), portal.back)

    async def cancel(self, token: str, *, at_once: bool) -> list[SignedEvent]:
        if at_once:
            return await self._manage(token, _status(SubscriptionStatus.CANCELED), events.SUBSCRIPTION_DELETED)
        return await self._manage(token, _ends_with_period(True), events.SUBSCRIPTION_UPDATED)

    async def resume(self, token: str) -> list[SignedEvent]:
        return await self._manage(token, _ends_with_period(False), events.SUBSCRIPTION_UPDATED)

    async def fail_payment(self, token: str) -> list[SignedEvent]:
        change = _status(SubscriptionStatus.PAST_DUE)
        return await self._manage(token, change, events.SUBSCRIPTION_UPDATED, events.INVOICE_FAILED)

    async def pay_open_invoice(self, token: str) -> list[SignedEvent]:
        change = _status(SubscriptionStatus.ACTIVE)
        return await self._manage(token, change, events.SUBSCRIPTION_UPDATED, events.INVOICE_PAID)

    async def _manage(self, token: str, change: _Change, *kinds: str) -> list[SignedEvent]:
        """Change the subscription that the portal shows."""
        subscription = (await self.read_portal(token)).subscription
        if subscription is None:
            return []
        now = self._now()
        session_id = _session_id(subscription.id)
        return await self._swap(session_id, lambda checkout: _managed(checkout, change, kinds, now))

    async def _swap(self, session_id: str, change: Callable[[CheckoutObject], CheckoutObject]) -> list[SignedEvent]:
        """The events of the latest change: of a repeat the same, and whoever has them ignores those."""
        while True:
            old = await self._text(session_id)
            if old is None:
                raise CheckoutNotFound
            changed = change(_checkout(old))
            new = text_of(changed)
            if new == old or await self._state.replace(session_id, old=old, new=new):
                return self._events(session_id, changed)

    def _events(self, session_id: str, checkout: CheckoutObject) -> list[SignedEvent]:
        if checkout.subscription is None:
            return []
        write = partial(events.write_event, session_id=session_id, secret=self._secret, now=self._now())
        change = str(checkout.changes)
        return [
            write(kind, self._digest("event", session_id, change, kind), checkout.subscription)
            for kind in checkout.event_kinds
        ]

    async def _find(self, session_id: str) -> CheckoutObject | None:
        text = await self._text(session_id)
        return None if text is None else _checkout(text)

    async def _text(self, session_id: str) -> str | None:
        return await self._state.get(session_id) if _CHECKOUT_ID.fullmatch(session_id) else None

    async def _require_customer(self, customer_id: str) -> None:
        """Asked after something was added: an erasure at that moment may not have seen it."""
        if await self._state.get(customer_id) is None:
            await self._state.remove_customer(customer_id)
            raise PaymentsRefused

    def _portal_id(self, token: str) -> str:
        return "bps_sandbox_" + self._digest("portal", token)

    def _digest(self, *parts: str) -> str:
        return hmac.digest(self._secret, "\x00".join(parts).encode(errors="replace"), "sha256").hex()[:32]


def _checkout(text: str) -> CheckoutObject:
    return msgspec.json.decode(text, type=CheckoutObject)


def _paid(checkout: CheckoutObject, *, session_id: str, now: datetime) -> CheckoutObject:
    if checkout.state(now) is PageState.EXPIRED:
        raise CheckoutNotFound
    if checkout.state(now) is PageState.PAID:
        return checkout
    subscription = Subscription(
        id=_SUBSCRIPTION + session_id.removeprefix(_CHECKOUT),
        customer_id=checkout.customer_id,
        account_id=checkout.account_id,
        status=SubscriptionStatus.ACTIVE,
        current_period_end=now + PERIOD,
        cancel_at_period_end=False,
    )
    event_kinds = (events.CHECKOUT_COMPLETED, events.SUBSCRIPTION_CREATED, events.INVOICE_PAID)
    return msgspec.structs.replace(checkout, paid_at=now, subscription=subscription, event_kinds=event_kinds)


def _managed(checkout: CheckoutObject, change: _Change, kinds: tuple[str, ...], now: datetime) -> CheckoutObject:
    if checkout.subscription is None:
        return checkout
    before = as_of(checkout.subscription, now)
    after = change(before)
    if before.status is SubscriptionStatus.CANCELED or after == before:
        return checkout
    return msgspec.structs.replace(checkout, subscription=after, changes=checkout.changes + 1, event_kinds=kinds)


def _status(status: SubscriptionStatus) -> _Change:
    return lambda subscription: replace(subscription, status=status)


def _ends_with_period(ends: bool) -> _Change:
    return lambda subscription: replace(subscription, cancel_at_period_end=ends)


def _session_id(subscription_id: str) -> str:
    return _CHECKOUT + subscription_id.removeprefix(_SUBSCRIPTION)
