"""The domain errors: what the core raises when it refuses a request."""

from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """The category of an error; the HTTP adapter maps each to one status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    MISMATCH = "mismatch"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class DomainError(Exception):
    """An error that a client can read and act on.

    `code` is stable and machine-readable; `detail` is one sentence for a person. Neither contains a secret, another
    account's data, or text of a vendor or database.
    """

    code: ClassVar[str]
    kind: ClassVar[Kind]
    # A class sets it whose message is always the same.
    detail: str

    def __init__(self, detail: str | None = None) -> None:
        self.detail = self.detail if detail is None else detail
        super().__init__(self.detail)

    @property
    def cause(self) -> str:
        """Why, in the log; clients do not see it."""
        return self.code


class InvalidInput(DomainError):
    """A value breaks a rule of the core; `field` is its name in the request."""

    code = "invalid_input"
    kind = Kind.INVALID

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class TooManyRequests(DomainError):
    """A rate limit is exhausted for another `retry_after` seconds."""

    code = "rate_limited"
    kind = Kind.TOO_MANY

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests. Wait as long as Retry-After says, then try again.")
        self.retry_after = retry_after


class Overloaded(DomainError):
    """There is more work of this kind than can be done soon. It may be tried again after `retry_after` seconds."""

    code = "overloaded"
    kind = Kind.UNAVAILABLE

    def __init__(self, retry_after: float) -> None:
        super().__init__("There is too much to do at the moment. Wait as long as Retry-After says, then try again.")
        self.retry_after = retry_after


class Unavailable(DomainError):
    """A dependency, such as the database, does not answer. `cause` names it and says why, without any value."""

    code = "unavailable"
    kind = Kind.UNAVAILABLE
    detail = "A part of the service does not answer. Try again in a moment."

    def __init__(self, cause: str = "") -> None:
        super().__init__()
        self._cause = cause

    @property
    def cause(self) -> str:
        return self._cause or self.code


class AccountGone(DomainError):
    """The account was erased during the request."""

    code = "account_gone"
    kind = Kind.UNAUTHENTICATED
    detail = "This account does not exist any more."
