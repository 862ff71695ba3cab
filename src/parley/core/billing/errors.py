"""Errors of the billing module."""

from collections.abc import Iterable

from parley.core.errors import DomainError, Kind


class AlreadySubscribed(DomainError):
    """The account has a subscription that still counts; a second one would be paid twice."""

    code = "already_subscribed"
    kind = Kind.CONFLICT
    detail = "This account already has a subscription. POST /subscription/portal to manage it."


class PlanOverridden(DomainError):
    """The operator chose the account's plan: a payment would change nothing."""

    code = "plan_overridden"
    kind = Kind.CONFLICT
    detail = "The operator has set the plan of this account, so there is nothing to pay."


class PlanUnknown(DomainError):
    """No plan has this name, or, where it is to be paid, the plan costs nothing."""

    code = "plan_unknown"
    kind = Kind.NOT_FOUND

    def __init__(self, name: str, offered: Iterable[str]) -> None:
        super().__init__(f"There is no plan {name!r}; choose one of: {', '.join(offered)}.")


class NotSubscribed(DomainError):
    """The account never started a subscription, so there is nothing to manage."""

    code = "not_subscribed"
    kind = Kind.CONFLICT
    detail = "This account never had a subscription. POST /subscribe/{plan} to start one."


class PaymentsUnavailable(DomainError):
    """The payment provider did not answer in time, or said to try again later. Nothing was charged."""

    code = "payments_unavailable"
    kind = Kind.UNAVAILABLE
    detail = "The payment provider does not answer. Nothing was charged; try again in a moment."


class PaymentsRefused(DomainError):
    """The payment provider rejected parley's request: an operator must correct the settings, here or there."""

    code = "payments_refused"
    kind = Kind.UNAVAILABLE
    detail = "The payment provider refused this. Nothing was charged; the operator must check the settings."


class CustomerUnknown(PaymentsRefused):
    """The payment provider does not know the customer.

    It was deleted there, or the key is now one of another account or mode.
    """


class EventInvalid(DomainError):
    """A webhook body that is no event, or whose signature is missing, wrong or too old."""

    code = "event_invalid"
    kind = Kind.INVALID
    detail = "This is no event with a valid and recent signature."


class CheckoutNotFound(DomainError):
    """The sandbox page does not exist or has expired."""

    code = "checkout_not_found"
    kind = Kind.NOT_FOUND
    detail = "This payment page does not exist or has expired."
