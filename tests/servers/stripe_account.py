"""An account at Stripe, without the HTTP around it: what its API keeps, refuses and tells by webhook."""

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
from tests.servers.stripe_objects import Thing

KEY, SECRET, PRICE = "sk_test_key_of_the_tests", "whsec_secret_of_the_tests", "price_pro"
WORDS_OF_STRIPE = "words of Stripe that no account should read"
CHECKOUT = {"mode", "customer", "line_items", "client_reference_id", "metadata", "subscription_data"}

Signed = tuple[bytes, str]


@dataclass
class Refusal(Exception):
    """An error object as Stripe publishes it."""

    status: int
    code: str | None = None
    param: str | None = None
    kind: str = "invalid_request_error"

    @property
    def body(self) -> bytes:
        said = {"type": self.kind, "code": self.code, "param": self.param, "message": WORDS_OF_STRIPE}
        return as_json({"error": {name: value for name, value in said.items() if value is not None}})


class StripeAccount:
    """What is kept is in `things`, by id. `clock` says what time it is there.

    `old_shapes`: things look as in API versions before 2025-03-31.
    """

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.things: dict[str, Thing] = {}
        self.old_shapes = False
        self.url = "https://checkout.stripe.com"
        self._clock = clock
        self._subscription_data: dict[str, Thing] = {}

    def api(self, method: str, path: str, given: Thing) -> Thing:
        """The answer to one request. Raises Refusal."""
        for route, answer in ROUTES.items():
            if found := re.fullmatch(route, f"{method} {path}"):
                return self.shown(answer(self, given, *map(unquote, found.groups())))
        raise Refusal(404)

    def complete(self, session_id: str) -> list[Signed]:
        """The customer pays on that page. The events that come of it."""
        session = self.things[session_id]
        metadata = self._subscription_data[session_id].get("metadata", {})
        begun = self._keep(objects.subscription(session["customer"], PRICE, metadata, self._clock()))
        session |= {"status": "complete", "payment_status": "paid", "url": None, "subscription": begun["id"]}
        return [
            self.signed("customer.subscription.created", begun),
            self.signed("checkout.session.completed", session),
            self.signed("invoice.paid", objects.invoice(begun, self._clock(), paid=True)),
        ]

    def change(self, subscription_id: str, *, current_period_end: int | None = None, **state: Any) -> list[Signed]:
        """`state` is set on the subscription, the period's end (seconds since 1970) on its items. The events for it."""
        thing = self.things[subscription_id]
        thing |= state
        for item in thing["items"]["data"]:
            item["current_period_end"] = current_period_end or item["current_period_end"]
        ended = thing["status"] == "canceled"
        told = [self.signed(f"customer.subscription.{'deleted' if ended else 'updated'}", thing)]
        if thing["status"] == "past_due":
            told.append(self.signed("invoice.payment_failed", objects.invoice(thing, self._clock(), paid=False)))
        return told

    def signed(self, kind: str, thing: Thing) -> Signed:
        body = as_json(objects.event(kind, self.shown(thing), self._clock()))
        return body, sign(body, SECRET, self._clock())

    def shown(self, thing: Thing) -> Thing:
        return objects.as_before_2025(thing) if self.old_shapes else thing

    def subscribe(self, customer_id: str, times: int) -> list[str]:
        """That many subscriptions without a checkout. Their ids, oldest first."""
        begun = [objects.subscription(customer_id, PRICE, {}, self._clock()) for _ in range(times)]
        return [self._keep(each)["id"] for each in begun]

    def create_customer(self, given: Thing) -> Thing:
        _check(given, {"email", "phone", "metadata"})
        return self._keep(objects.customer(given, self._clock()))

    def delete_customer(self, given: Thing, customer_id: str) -> Thing:
        _check(given, set())
        del self.things[self._find("customer", customer_id)["id"]]
        for thing in self.things.values():
            if thing["object"] == "subscription" and thing["customer"] == customer_id:
                thing |= {"status": "canceled", "ended_at": int(self._clock().timestamp())}
        return {"id": customer_id, "object": "customer", "deleted": True}

    def create_checkout(self, given: Thing) -> Thing:
        _check(given, CHECKOUT | {"success_url", "cancel_url"}, needed={"mode", "line_items", "success_url"})
        self._find("customer", given["customer"], "customer")
        if given["line_items"] != {"0": {"price": PRICE, "quantity": "1"}}:
            raise Refusal(400, "resource_missing", "line_items[0][price]")
        if not all(given[name].startswith("http") for name in ("success_url", "cancel_url")):
            raise Refusal(400, "url_invalid", "success_url")
        made = self._keep(objects.checkout_session(given, self._clock(), self.url))
        self._subscription_data[made["id"]] = given.get("subscription_data", {})
        return made

    def read_checkout(self, given: Thing, session_id: str) -> Thing:
        _check(given, set())
        return self._find("checkout.session", session_id)

    def create_portal(self, given: Thing) -> Thing:
        _check(given, {"customer", "return_url"}, needed={"customer"})
        self._find("customer", given["customer"], "customer")
        return objects.portal_session(given, self._clock(), self.url)

    def read_subscription(self, given: Thing, subscription_id: str) -> Thing:
        _check(given, set())
        return self._find("subscription", subscription_id)

    def list_subscriptions(self, given: Thing) -> Thing:
        _check(given, {"customer", "status", "limit", "starting_after"})
        self._find("customer", given["customer"], "customer")
        newest_first = [each for each in self.things.values() if each["object"] == "subscription"][::-1]
        its = [each for each in newest_first if each["customer"] == given["customer"]]
        its = [each for each in its if given.get("status") == "all" or each["status"] != "canceled"]
        start = 1 + [each["id"] for each in its].index(given["starting_after"]) if "starting_after" in given else 0
        end = start + int(given.get("limit", 10))
        return objects.listed([self.shown(each) for each in its[start:end]], "/v1/subscriptions", more=end < len(its))

    def read_price(self, given: Thing, price_id: str) -> Thing:
        _check(given, set())
        if price_id != PRICE:
            raise Refusal(404, "resource_missing", "price")
        return objects.price(PRICE, self._clock())

    def _keep(self, thing: Thing) -> Thing:
        self.things[thing["id"]] = thing
        return thing

    def _find(self, kind: str, thing_id: str, param: str | None = None) -> Thing:
        """`param` is the parameter that named it; without one the path did."""
        thing = self.things.get(thing_id, {"object": None})
        if thing["object"] != kind:
            raise Refusal(400 if param else 404, "resource_missing", param or "id")
        return thing


ROUTES: dict[str, Callable[..., Thing]] = {
    r"POST /v1/customers": StripeAccount.create_customer,
    r"DELETE /v1/customers/([^/]+)": StripeAccount.delete_customer,
    r"POST /v1/checkout/sessions": StripeAccount.create_checkout,
    r"GET /v1/checkout/sessions/([^/]+)": StripeAccount.read_checkout,
    r"POST /v1/billing_portal/sessions": StripeAccount.create_portal,
    r"GET /v1/prices/([^/]+)": StripeAccount.read_price,
    r"GET /v1/subscriptions": StripeAccount.list_subscriptions,
    r"GET /v1/subscriptions/([^/]+)": StripeAccount.read_subscription,
}


def sign(body: bytes, secret: str, at: datetime) -> str:
    """The Stripe-Signature header of a webhook sent at that moment."""
    moment = int(at.timestamp())
    return f"t={moment},v1={hmac.new(secret.encode(), b'%d.%b' % (moment, body), sha256).hexdigest()}"


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


def _check(given: Thing, known: set[str], needed: set[str] = frozenset()) -> None:
    for name in given.keys() - known:
        raise Refusal(400, "parameter_unknown", name)
    for name in needed - given.keys():
        raise Refusal(400, "parameter_missing", name)
