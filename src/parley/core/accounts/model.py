"""The data types of the accounts module: identities, accounts, codes, sessions and tokens.

Sources of the numbers: NIST SP 800-63B (codes, passwords, rate limits) and OWASP ASVS 5, chapter 6.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

EMAIL_CHARACTERS = 254  # RFC 5321: a path has 256, its angle brackets included
NAME_CHARACTERS = 200
# ASVS 6.2.1 and 6.2.9. The maximum bounds the work of hashing; there are no composition rules (6.2.5).
PASSWORD_SHORTEST = 8
PASSWORD_LONGEST = 128
# Tries of one challenge. How many challenges a stranger gets in a day or a year is bounded in guesses.py.
CODE_TRIES = 5
SIGNUP_LIFE = timedelta(hours=1)
# Two tabs that refresh at once must not log each other out; a thief gets no more time than they need.
REFRESH_GRACE = timedelta(seconds=10)
# How long an ended or expired session stays in the database.
SESSION_MEMORY = timedelta(days=1)
# A session that a code opened within this time proves as much as the current password, when that is changed.
PROOF_LIFE = timedelta(minutes=10)
# How long failed guesses are remembered after the last of their source.
FAILURE_MEMORY = timedelta(days=365)
# No access token or ticket is valid for longer, whatever the settings were when it was signed. Ended sessions are
# remembered for this long, so that a changed setting cannot bring one back.
LONGEST_TOKEN_LIFE = timedelta(days=1)
# How far the clocks of two machines may differ.
CLOCK_SKEW = timedelta(seconds=60)
USER_AGENT_CHARACTERS = 300


class IdentityKind(str, Enum):
    MOBILE_NUMBER = "mobile_number"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies an account: a mobile number in E.164, or an e-mail address in lower case."""

    kind: IdentityKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.value}"


class Purpose(str, Enum):
    """What a one-time code is for. A code for one purpose is not valid for another."""

    SIGN_IN = "sign_in"
    RESET = "reset"


class Notice(str, Enum):
    """A message to the owner of an account that contains no code."""

    GUESSING = "guessing"


class OpenedBy(str, Enum):
    """How the owner of a session proved who they are."""

    CODE = "code"
    PASSWORD = "password"  # noqa: S105  the word, not one


class AuditEvent(str, Enum):
    """The kinds of events in the audit trail."""

    CODE_REQUESTED = "code_requested"
    CODE_DELIVERED = "code_delivered"
    CODE_POSTPONED = "code_put_off"
    CODE_NOT_DELIVERED = "code_not_delivered"
    BUDGET_SPENT = "budget_spent"
    SIGNED_UP = "signed_up"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    PASSWORD_RESET = "password_reset"  # noqa: S105
    RESET_FAILED = "reset_failed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    CHANGE_FAILED = "change_failed"
    OWNER_NOTIFIED = "owner_notified"
    TOKEN_REUSED = "token_reused"  # noqa: S105
    REFRESH_FAILED = "refresh_failed"
    SESSION_ENDED = "session_ended"
    API_KEY_MADE = "api_key_made"
    API_KEY_REVOKED = "api_key_revoked"
    API_KEY_CHANGED = "api_key_changed"
    ERASURE_FAILED = "erasure_failed"
    ACCOUNT_ERASED = "account_erased"
    THROTTLED = "throttled"
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    FOREIGN_ID = "foreign_id"
    PLAN_OVERRIDDEN = "plan_overridden"
    ACCOUNTS_LISTED = "accounts_listed"
    ACCOUNT_READ = "account_read"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_RESUMED = "account_resumed"
    SESSIONS_ENDED = "sessions_ended"
    WEBHOOKS_LISTED = "webhooks_listed"
    WEBHOOK_REPEATED = "webhook_repeated"
    OPERATOR_REFUSED = "operator_refused"


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account. `password_hash` is None if they sign in by code only.

    `suspended_at` is since when the operator suspends it: no token of it is accepted, and nobody signs in to it.
    """

    id: UUID
    identity: Identity
    name: str | None
    password_hash: str | None = field(repr=False)
    created_at: datetime
    suspended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """One request for a code, and the code. Only hashes of the challenge's id and of the code are stored.

    `id` is in order of creation. `source` names who asked, as `Source.name` spells it. `tries` counts the guesses.
    """

    id: UUID
    id_hash: bytes = field(repr=False)
    identity: Identity
    purpose: Purpose
    source: str
    code_mac: bytes = field(repr=False)
    expires_at: datetime
    tries: int = 0
    spent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A code or a notice that is still to be sent; a notice has no code. `failures` counts the failed attempts."""

    id: UUID
    identity: Identity
    purpose: Purpose | Notice
    encrypted_code: bytes = field(repr=False)
    expires_at: datetime
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Signup:
    """The name and password for a new account. They apply only together with a code for the same identity."""

    token_hash: bytes = field(repr=False)
    identity: Identity
    name: str | None
    password_hash: str | None = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device. Each refresh extends `expires_at`. `user_agent` comes from the device, unverified."""

    id: UUID
    account_id: UUID
    opened_by: OpenedBy
    opened_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str | None = None
    ended_at: datetime | None = None

    def live(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One of a session's refresh tokens. `used_at` is when it was exchanged for the next one."""

    token_hash: bytes = field(repr=False)
    session_id: UUID
    issued_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """A session whose access tokens are revoked, or a revoked API key. The last token expires before `until`."""

    session_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """The account and session of a verified access token, and when the token expires.

    The caller `by_key`, an API key, has the key's id as its session. `unmetered` is as in ApiKey.
    """

    account_id: UUID
    session_id: UUID
    expires_at: datetime
    by_key: bool = False
    unmetered: bool = False


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The tokens of a session; `expires_in` is the access token's life in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn(TokenPair):
    """The tokens of a new session, and its account; `created` says that the sign-in created the account.

    `device_token` makes the device a known one in later sign-ins of this identity.
    """

    device_token: str = field(repr=False)
    created: bool
    account: Account


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed guesses of one source at an identity, and `total`, those of all address blocks at it.

    `notified` says that the owner was notified of them.
    """

    own: int
    last_failed_at: datetime
    total: int
    notified: bool


def token_hash(token: str) -> bytes:
    """The hash that is stored of an opaque token. Tokens are random enough for a plain SHA-256."""
    return hashlib.sha256(as_bytes(token)).digest()


def keyed_hash(key: bytes, use: str, *parts: str) -> bytes:
    """HMAC-SHA256 over parts that contain no NUL. `use` separates the hashes that one key makes for different uses."""
    return hmac.digest(key, as_bytes("\x00".join((use, *parts))), "sha256")


def as_bytes(text: str) -> bytes:
    """UTF-8, also of unchecked text from a client: unpaired surrogates raise nothing."""
    return text.encode("utf-8", "surrogatepass")
