"""What the core raises when a request cannot be honoured."""

from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What sort of refusal an error is; the HTTP adapter maps each to one status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    MISMATCH = "mismatch"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class DomainError(Exception):
    """A refusal that a client can read and act on.

    `code` is stable and machine-readable; the message is one sentence for a person. Neither ever holds a secret,
    another account's data or a vendor's or a database's words.
    """

    code: ClassVar[str]
    kind: ClassVar[Kind]

    @property
    def detail(self) -> str:
        return str(self)


class InvalidInput(DomainError):
    """A value that only the core can judge is wrong; `field` names it as the client does."""

    code = "invalid_input"
    kind = Kind.INVALID

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class TooManyRequests(DomainError):
    """A throttle said no; `retry_after` is in seconds."""

    code = "rate_limited"
    kind = Kind.TOO_MANY

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests. Wait as long as Retry-After says, then try again.")
        self.retry_after = retry_after


class Unavailable(DomainError):
    """Something that this needs does not answer now."""

    code = "unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("A part of the service does not answer. Try again in a moment.")


class AccountGone(DomainError):
    """The account was erased while the request ran."""

    code = "account_gone"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("This account does not exist any more.")
