"""Refusals of the billing module."""

from parley.core.errors import DomainError, Kind


class AlreadySubscribed(DomainError):
    """The account has a subscription that still counts; a second one would only be paid twice."""

    code = "already_subscribed"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("This account has a subscription already. POST /subscription/portal leads to it.")


class NotSubscribed(DomainError):
    """There is nothing to manage: the account never began a subscription."""

    code = "not_subscribed"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("This account never had a subscription. POST /subscribe/pro begins one.")


class PaymentsUnavailable(DomainError):
    """The payment provider does not answer, or not in time. Nothing was charged."""

    code = "payments_unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The payment provider does not answer. Nothing was charged; try again in a moment.")


class PaymentsRefused(DomainError):
    """The payment provider refuses what parley asks of it: its settings there or here need an operator."""

    code = "payments_refused"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The payment provider refused this. Nothing was charged; whoever runs this server must look.")


class EventInvalid(DomainError):
    """A webhook body that the provider did not sign, or not lately, or that is no event."""

    code = "event_invalid"
    kind = Kind.INVALID

    def __init__(self) -> None:
        super().__init__("This is no event with a valid and recent signature.")


class CheckoutNotFound(DomainError):
    """The sandbox has no such page, or not any more."""

    code = "checkout_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is no such payment page, or not any more.")
