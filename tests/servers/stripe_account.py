"""A fake Stripe account without HTTP: its stored objects, its refusals, and the webhook events it sends."""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from tests.servers import stripe_objects as objects
from tests.servers.stripe_objects import StripeObject

KEY, SECRET, PRICE = "sk_test_key_of_the_tests", "whsec_secret_of_the_tests", "price_pro"
PRICES = {PRICE: "month", "price_plus_monthly": "month", "price_plus_yearly": "year"}
STRIPE_MESSAGE = "a message of Stripe that no client should see"
CHECKOUT = {"mode", "customer", "line_items", "client_reference_id", "metadata", "subscription_data"} | {
    "allow_promotion_codes",
    "automatic_tax",
    "customer_update",
}

Signed = tuple[bytes, str]


@dataclass
class Refusal(Exception):
    """Stripe's error object."""

    status: int
    code: str | None = None
    param: str | None = None
    kind: str = "invalid_request_error"

    @property
    def body(self) -> bytes:
        fields = {"type": self.kind, "code": self.code, "param": self.param, "message": STRIPE_MESSAGE}
        return as_json({"error": {name: value for name, value in fields.items() if value is not None}})


class StripeAccount:
    """`objects` are the stored objects by id. `old_format` shows them as API versions before 2025-03-31 do."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.objects: dict[str, StripeObject] = {}
        self.old_format = False
        self.url = "https://checkout.stripe.com"
        # What a customer does meanwhile.
        self.after_list_of_checkouts: Callable[[], object] = lambda: None
        self._clock = clock
        self._wanted: dict[str, tuple[StripeObject, str]] = {}

    def api(self, method: str, path: str, given: StripeObject) -> StripeObject:
        """The answer to one request. Raises Refusal."""
        for route, answer in ROUTES.items():
            if found := re.fullmatch(route, f"{method} {path}"):
                return self.shown(answer(self, given, *map(unquote, found.groups())))
        raise Refusal(404)

    def complete(self, session_id: str) -> list[Signed]:
        """The customer pays in that checkout session. Returns the events for it. Raises Refusal unless it is open."""
        session = self.objects[session_id]
        if session["status"] != "open":
            raise Refusal(400)
        wanted, price = self._wanted[session_id]
        metadata = wanted.get("metadata", {})
        subscription = self._store(objects.subscription(session["customer"], price, metadata, self._clock()))
        if "trial_period_days" in wanted:
            subscription["status"] = "trialing"
        session |= {"status": "complete", "payment_status": "paid", "url": None, "subscription": subscription["id"]}
        return [
            self.signed("customer.subscription.created", subscription),
            self.signed("checkout.session.completed", session),
            self.signed("invoice.paid", objects.invoice(subscription, self._clock(), paid=True)),
        ]

    def change(
        self, subscription_id: str, *, current_period_end: int | None = None, price: str | None = None, **state: Any
    ) -> list[Signed]:
        """Set `state` on the subscription, the period's end (in epoch seconds) and the price on its items.

        Returns the events.
        """
        resource = self.objects[subscription_id]
        resource |= state
        if price is not None:
            resource["items"]["data"][0]["price"] = objects.price(price, self._clock())
        for item in resource["items"]["data"]:
            item["current_period_end"] = current_period_end or item["current_period_end"]
        ended = resource["status"] == "canceled"
        events = [self.signed(f"customer.subscription.{'deleted' if ended else 'updated'}", resource)]
        if resource["status"] == "past_due":
            events.append(self.signed("invoice.payment_failed", objects.invoice(resource, self._clock(), paid=False)))
        return events

    def signed(self, kind: str, resource: StripeObject) -> Signed:
        body = as_json(objects.event(kind, self.shown(resource), self._clock()))
        return body, sign(body, SECRET, self._clock())

    def shown(self, resource: StripeObject) -> StripeObject:
        return objects.as_before_2025(resource) if self.old_format else resource

    def subscribe(self, customer_id: str, times: int) -> list[str]:
        """Create that many subscriptions without a checkout. Returns their ids, oldest first."""
        created = [objects.subscription(customer_id, PRICE, {}, self._clock()) for _ in range(times)]
        return [self._store(each)["id"] for each in created]

    def create_customer(self, given: StripeObject) -> StripeObject:
        _check(given, {"email", "phone", "metadata"})
        return self._store(objects.customer(given, self._clock()))

    def delete_customer(self, given: StripeObject, customer_id: str) -> StripeObject:
        _check(given, set())
        del self.objects[self._find("customer", customer_id)["id"]]
        for resource in self.objects.values():
            if resource["object"] == "subscription" and resource["customer"] == customer_id:
                resource |= {"status": "canceled", "ended_at": int(self._clock().timestamp())}
        return {"id": customer_id, "object": "customer", "deleted": True}

    def create_checkout(self, given: StripeObject) -> StripeObject:
        _check(given, CHECKOUT | {"success_url", "cancel_url"}, required={"mode", "line_items", "success_url"})
        self._find("customer", given["customer"], "customer")
        price = given["line_items"].get("0", {}).get("price")
        if price not in PRICES or given["line_items"] != {"0": {"price": price, "quantity": "1"}}:
            raise Refusal(400, "resource_missing", "line_items[0][price]")
        if not all(given[name].startswith("http") for name in ("success_url", "cancel_url")):
            raise Refusal(400, "url_invalid", "success_url")
        session = self._store(objects.checkout_session(given, self._clock(), self.url))
        self._wanted[session["id"]] = (given.get("subscription_data", {}), price)
        return session

    def read_checkout(self, given: StripeObject, session_id: str) -> StripeObject:
        _check(given, set())
        return self._find("checkout.session", session_id)

    def list_checkouts(self, given: StripeObject) -> StripeObject:
        _check(given, {"customer", "status", "limit", "starting_after"})
        self._find("customer", given["customer"], "customer")
        matching = [
            each
            for each in [*self.objects.values()][::-1]
            if each["object"] == "checkout.session"
            and each["customer"] == given["customer"]
            and each["status"] == given.get("status", each["status"])
        ]
        answer = objects.listed(matching, "/v1/checkout/sessions")
        self.after_list_of_checkouts()
        return answer

    def expire_checkout(self, given: StripeObject, session_id: str) -> StripeObject:
        _check(given, set())
        session = self._find("checkout.session", session_id)
        if session["status"] != "open":
            raise Refusal(400, None, None)
        session |= {"status": "expired", "url": None}
        return session

    def create_portal(self, given: StripeObject) -> StripeObject:
        _check(given, {"customer", "return_url"}, required={"customer"})
        self._find("customer", given["customer"], "customer")
        return objects.portal_session(given, self._clock(), self.url)

    def read_subscription(self, given: StripeObject, subscription_id: str) -> StripeObject:
        _check(given, set())
        return self._find("subscription", subscription_id)

    def list_subscriptions(self, given: StripeObject) -> StripeObject:
        _check(given, {"customer", "status", "limit", "starting_after"})
        self._find("customer", given["customer"], "customer")
        newest_first = [each for each in self.objects.values() if each["object"] == "subscription"][::-1]
        matching = [each for each in newest_first if each["customer"] == given["customer"]]
        matching = [each for each in matching if given.get("status") == "all" or each["status"] != "canceled"]
        start = 1 + [each["id"] for each in matching].index(given["starting_after"]) if "starting_after" in given else 0
        end = start + int(given.get("limit", 10))
        return objects.listed(
            [self.shown(each) for each in matching[start:end]], "/v1/subscriptions", more=end < len(matching)
        )

    def read_price(self, given: StripeObject, price_id: str) -> StripeObject:
        _check(given, set())
        if price_id not in PRICES:
            raise Refusal(404, "resource_missing", "price")
        return objects.price(price_id, self._clock())

    def _store(self, resource: StripeObject) -> StripeObject:
        self.objects[resource["id"]] = resource
        return resource

    def _find(self, kind: str, object_id: str, param: str | None = None) -> StripeObject:
        """`param` is the parameter that named the object, None if the path did."""
        resource = self.objects.get(object_id, {"object": None})
        if resource["object"] != kind:
            raise Refusal(400 if param else 404, "resource_missing", param or "id")
        return resource


ROUTES: dict[str, Callable[..., StripeObject]] = {
    r"POST /v1/customers": StripeAccount.create_customer,
    r"DELETE /v1/customers/([^/]+)": StripeAccount.delete_customer,
    r"POST /v1/checkout/sessions": StripeAccount.create_checkout,
    r"GET /v1/checkout/sessions": StripeAccount.list_checkouts,
    r"GET /v1/checkout/sessions/([^/]+)": StripeAccount.read_checkout,
    r"POST /v1/checkout/sessions/([^/]+)/expire": StripeAccount.expire_checkout,
    r"POST /v1/billing_portal/sessions": StripeAccount.create_portal,
    r"GET /v1/prices/([^/]+)": StripeAccount.read_price,
    r"GET /v1/subscriptions": StripeAccount.list_subscriptions,
    r"GET /v1/subscriptions/([^/]+)": StripeAccount.read_subscription,
}


def sign(body: bytes, secret: str, at: datetime) -> str:
    """The Stripe-Signature header of a webhook sent at `at`.

    Written apart from the adapter's own, so that tests check one against the other.
    """
    seconds = int(at.timestamp())
    return f"t={seconds},v1={hmac.new(secret.encode(), b'%d.%b' % (seconds, body), sha256).hexdigest()}"


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _check(given: StripeObject, known: set[str], required: set[str] = frozenset()) -> None:
    for name in given.keys() - known:
        raise Refusal(400, "parameter_unknown", name)
    for name in required - given.keys():
        raise Refusal(400, "parameter_missing", name)
