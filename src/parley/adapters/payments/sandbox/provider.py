"""The built-in payment provider for running without Stripe: no money moves, everything else works as with Stripe.

A checkout page and the resulting subscription are one stored object. Paying, and every later change, replaces its text
by compare-and-swap and starts again if another change came first.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import msgspec

from parley.adapters.payments import stripe_events
from parley.adapters.payments.return_address import with_session_id
from parley.adapters.payments.sandbox import events
from parley.adapters.payments.sandbox.objects import (
    CheckoutObject,
    PortalObject,
    SandboxState,
    at_time,
    period_of,
    to_text,
)
from parley.core.billing.errors import AlreadySubscribed, CheckoutNotFound, PaymentsRefused
from parley.core.billing.model import Checkout, Price, ProviderEvent, ReturnAddresses, Subscription, SubscriptionStatus
from parley.core.billing.ports import Offer
from parley.core.billing.sandbox import CheckoutPage, PageState, PortalPage, SignedEvent
from parley.core.ports import Clock, NewToken

CHECKOUT_LIFETIME = timedelta(hours=24)
PORTAL_LIFETIME = timedelta(hours=1)

_CUSTOMER, _CHECKOUT, _SUBSCRIPTION = "cus_sandbox_", "cs_sandbox_", "sub_sandbox_"
# Other ids are not looked up: a URL can contain what the database rejects, such as NUL.
_CHECKOUT_ID = re.compile(_CHECKOUT + "[0-9a-f]{32}")

_Change = Callable[[Subscription], Subscription]


class SandboxPayments:
    """The `PaymentProvider`, and the `SandboxActions` of its pages.

    `secret` signs events and makes page addresses unguessable; these addresses begin with `public_url`. Raises
    ValueError without a secret, since anyone could sign with an empty one.
    """

    def __init__(self, state: SandboxState, *, secret: bytes, public_url: str, now: Clock, new_token: NewToken) -> None:
        if not secret:
            raise ValueError("The sandbox's secret is empty: anyone could sign events.")
        self._state = state
        self._secret = secret
        self._pages = f"{public_url}/sandbox"
        self._now = now
        self._new_token = new_token

    async def create_customer(
        self, account_id: UUID, *, email: str | None, mobile_number: str | None, replaces: str = ""
    ) -> str:
        # No receipts are sent, and only customers of erased accounts are forgotten.
        del email, mobile_number, replaces
        customer_id = _CUSTOMER + account_id.hex
        await self._state.add(customer_id, customer_id, "{}")
        return customer_id

    def recognizes(self, customer_id: str) -> bool:
        return customer_id.startswith(_CUSTOMER)

    async def price(self, price_id: str) -> Price | None:
        """Every id is a price here, and costs nothing: by the year if the id says so, else by the month."""
        return Price(price_id, 0, "usd", "year" if "year" in price_id else "month")

    async def open_checkout(
        self, customer_id: str, offer: Offer, *, account_id: UUID, idempotency_key: str, now: datetime
    ) -> Checkout:
        fresh = to_text(
            CheckoutObject(
                customer_id,
                account_id,
                offer.return_to,
                now + CHECKOUT_LIFETIME,
                price=offer.price,
                trial_days=offer.trial_days,
            )
        )
        session_id = _CHECKOUT + self._digest("checkout", customer_id, idempotency_key)
        while not await self._state.add(session_id, customer_id, fresh):
            found = await self._find(session_id)
            if found is None or found.state(now) is PageState.OPEN:
                break
            # Paid or expired. The next id is derived from it, so that parallel callers get the same next page.
            session_id = _CHECKOUT + self._digest("checkout", customer_id, session_id)
        await self._require_customer(customer_id)
        await self._close_others(customer_id, session_id, now)
        return Checkout(f"{self._pages}/checkout/{session_id}", session_id)

    async def _close_others(self, customer_id: str, newest: str, now: datetime) -> None:
        """Expire the customer's other open pages. Raises AlreadySubscribed, with none left, if one was paid."""
        for object_id, text in await self._state.of_customer(customer_id):
            if object_id.startswith(_CHECKOUT) and object_id != newest and _checkout(text).state(now) is PageState.OPEN:
                await self._expire(object_id, now)
                page = await self._find(object_id)
                if page is not None and page.state(now) is PageState.PAID:
                    await self._expire(newest, now)
                    raise AlreadySubscribed

    async def _expire(self, session_id: str, now: datetime) -> None:
        def expired(checkout: CheckoutObject) -> CheckoutObject:
            is_open = checkout.state(now) is PageState.OPEN
            return msgspec.structs.replace(checkout, expires_at=now) if is_open else checkout

        await self._swap(session_id, expired)

    async def open_portal(self, customer_id: str, *, return_to: ReturnAddresses) -> str:
        token = self._new_token()
        portal = PortalObject(customer_id, return_to.portal, self._now() + PORTAL_LIFETIME)
        await self._state.add(self._portal_id(token), customer_id, to_text(portal))
        await self._require_customer(customer_id)
        return f"{self._pages}/portal/{token}"

    async def subscription(self, subscription_id: str) -> Subscription | None:
        found = await self._find(_session_id(subscription_id))
        return None if found is None or found.subscription is None else at_time(found.subscription, self._now())

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        """The customer's subscriptions, the latest paid first."""
        stored = await self._state.of_customer(customer_id)
        checkouts = [_checkout(text) for object_id, text in stored if object_id.startswith(_CHECKOUT)]
        paid = [(each.paid_at, each.subscription) for each in checkouts if each.paid_at and each.subscription]
        now = self._now()
        return [at_time(subscription, now) for _, subscription in sorted(paid, key=lambda each: each[0], reverse=True)]

    async def erase_customer(self, customer_id: str) -> None:
        await self._state.remove_customer(customer_id)

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        return stripe_events.read_event(body, signature, secret=self._secret, now=now)

    async def close(self) -> None:
        """Nothing to close."""

    async def read_checkout(self, session_id: str) -> CheckoutPage:
        found = await self._find(session_id)
        if found is None:
            raise CheckoutNotFound
        return_to = replace(found.return_to, paid=with_session_id(found.return_to.paid, session_id))
        return CheckoutPage(
            session_id, found.state(self._now()), found.expires_at, return_to, found.price, found.trial_days
        )

    async def pay(self, session_id: str) -> list[SignedEvent]:
        return await self._swap(session_id, partial(_paid, session_id=session_id, now=self._now()))

    async def cancel_checkout(self, session_id: str) -> str:
        page = await self.read_checkout(session_id)
        if page.state is not PageState.OPEN:
            raise CheckoutNotFound
        return page.return_to.cancelled

    async def read_portal(self, token: str) -> PortalPage:
        text = await self._state.get(self._portal_id(token))
        portal = None if text is None else msgspec.json.decode(text, type=PortalObject)
        if portal is None or portal.expires_at <= self._now():
            raise CheckoutNotFound
        subscriptions = await self.subscriptions(portal.customer_id)
        # Prefer a subscription that has not ended; else the latest.
        running = [each for each in subscriptions if each.status is not SubscriptionStatus.CANCELED]
        return PortalPage(next(iter(running or subscriptions), None), portal.return_address)

    async def cancel(self, token: str, *, at_once: bool) -> list[SignedEvent]:
        if at_once:
            return await self._manage(token, _status(SubscriptionStatus.CANCELED), events.SUBSCRIPTION_DELETED)
        return await self._manage(token, _ends_with_period(True), events.SUBSCRIPTION_UPDATED)

    async def resume(self, token: str) -> list[SignedEvent]:
        return await self._manage(token, _ends_with_period(False), events.SUBSCRIPTION_UPDATED)

    async def change_price(self, token: str, price: str) -> list[SignedEvent]:
        return await self._manage(token, _pays(price), events.SUBSCRIPTION_UPDATED)

    async def end_trial(self, token: str) -> list[SignedEvent]:
        return await self._manage(token, _without_trial(self._now()), events.SUBSCRIPTION_UPDATED, events.INVOICE_PAID)

    async def fail_payment(self, token: str) -> list[SignedEvent]:
        change = _status(SubscriptionStatus.PAST_DUE)
        return await self._manage(token, change, events.SUBSCRIPTION_UPDATED, events.INVOICE_FAILED)

    async def pay_open_invoice(self, token: str) -> list[SignedEvent]:
        change = _status(SubscriptionStatus.ACTIVE)
        return await self._manage(token, change, events.SUBSCRIPTION_UPDATED, events.INVOICE_PAID)

    async def _manage(self, token: str, change: _Change, *kinds: str) -> list[SignedEvent]:
        """Change the subscription that the portal page shows."""
        subscription = (await self.read_portal(token)).subscription
        if subscription is None:
            return []
        now = self._now()
        session_id = _session_id(subscription.id)
        return await self._swap(session_id, lambda checkout: _managed(checkout, change, kinds, now))

    async def _swap(self, session_id: str, change: Callable[[CheckoutObject], CheckoutObject]) -> list[SignedEvent]:
        """Apply the change; returns its events. A repeat returns the same events, which the webhook ignores."""
        while True:
            old = await self._text(session_id)
            if old is None:
                raise CheckoutNotFound
            changed = change(_checkout(old))
            new = to_text(changed)
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
        """Called after adding an object, because a concurrent erasure may have missed it."""
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
        status=SubscriptionStatus.TRIALING if checkout.trial_days else SubscriptionStatus.ACTIVE,
        current_period_end=now + (timedelta(days=checkout.trial_days) or period_of(checkout.price)),
        cancel_at_period_end=False,
        prices=(checkout.price,) if checkout.price else (),
    )
    event_kinds = (events.CHECKOUT_COMPLETED, events.SUBSCRIPTION_CREATED, events.INVOICE_PAID)
    return msgspec.structs.replace(checkout, paid_at=now, subscription=subscription, event_kinds=event_kinds)


def _managed(checkout: CheckoutObject, change: _Change, kinds: tuple[str, ...], now: datetime) -> CheckoutObject:
    if checkout.subscription is None:
        return checkout
    before = at_time(checkout.subscription, now)
    after = change(before)
    if before.status is SubscriptionStatus.CANCELED or after == before:
        return checkout
    return msgspec.structs.replace(checkout, subscription=after, changes=checkout.changes + 1, event_kinds=kinds)


def _status(status: SubscriptionStatus) -> _Change:
    return lambda subscription: replace(subscription, status=status)


def _pays(price: str) -> _Change:
    return lambda subscription: replace(subscription, prices=(price,))


def _without_trial(now: datetime) -> _Change:
    def change(subscription: Subscription) -> Subscription:
        if subscription.status is not SubscriptionStatus.TRIALING:
            return subscription
        period = period_of(*subscription.prices)
        return replace(subscription, status=SubscriptionStatus.ACTIVE, current_period_end=now + period)

    return change


def _ends_with_period(ends: bool) -> _Change:
    return lambda subscription: replace(subscription, cancel_at_period_end=ends)


def _session_id(subscription_id: str) -> str:
    return _CHECKOUT + subscription_id.removeprefix(_SUBSCRIPTION)
