"""What the accounts module needs from outside, apart from storage. Times are aware and UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.accounts.model import AuditEvent, Caller, Identity, IdentityKind, Notice, Purpose


class NewCode(Protocol):
    def __call__(self) -> str:
        """Six decimal digits from a cryptographic generator."""


class MobileNumbers(Protocol):
    def e164(self, text: str) -> str:
        """The number in E.164, the same for every spelling of it.

        Raises InvalidInput for the field mobile_number, also for a number without its country code.
        """

    def check_reached(self, number: str) -> None:
        """Raises InvalidInput for the field mobile_number unless SMS are sent there.

        They are sent to mobile numbers in the countries that an operator chose, never to premium, satellite,
        shared-cost, personal and landline numbers. `number` is in E.164.
        """

    def calling_code(self, number: str) -> str:
        """The country calling code of a number in E.164 (ITU-T E.164, 6.2.1), for example 91."""


class HumanCheck(Protocol):
    """A service that distinguishes people from programs, by a token that its widget gave to the page."""

    async def passes(self, token: str, *, address: str) -> bool:
        """Whether the token is one of a person and was not used before. `address` is the client's.

        Has its own deadline of seconds. Raises Unavailable when the service cannot say: nobody passes unchecked.
        """

    async def check(self) -> None:
        """Ask the service as `passes` would, with a token that cannot pass. Raises Unavailable."""

    async def close(self) -> None: ...


class SenderFailed(Exception):
    """A code was not delivered. The message says why and contains neither the code nor an identity."""


class SenderUnavailable(SenderFailed):
    """A temporary failure: a later attempt may succeed."""


class SenderRefused(SenderFailed):
    """A final failure: the message or its recipient was refused."""


class OtpSender(Protocol):
    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        """Send the code to the owner of the identity, with the note that it is valid for `minutes`.

        Has its own deadline, shorter than the lease of a delivery. Raises SenderUnavailable, SenderRefused.
        """

    async def rehearse(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        """The work of `send` as far as it can be done without sending: nobody gets a message. Errors are the same."""

    async def send_notice(self, identity: Identity, notice: Notice) -> None:
        """Send a message without a code to the owner of the identity. Deadline and errors are those of `send`."""

    async def check(self) -> None:
        """Connect to the mail server or gateway as `send` would, and send nothing. Raises SenderFailed."""

    async def close(self) -> None: ...


class DeliveryQueue(Protocol):
    async def put(self, delivery_id: UUID) -> None:
        """Queue a hint to deliver that code. Hints may be lost or repeated; a failure raises nothing."""


class Cipher(Protocol):
    """Authenticated encryption of codes in the database, which only workers need to read."""

    def encrypt(self, text: str) -> bytes:
        """Encrypt with the newest key."""

    def decrypt(self, encrypted: bytes) -> str:
        """Raises ValueError for text that was not encrypted with one of the current keys."""


@dataclass(frozen=True, slots=True)
class CodeDelivery:
    """How codes are delivered: the sender for each kind of identity, the queue to workers, and the cipher."""

    senders: Mapping[IdentityKind, OtpSender]
    queue: DeliveryQueue
    cipher: Cipher


class AuditTrail(Protocol):
    def note(
        self,
        event_kind: AuditEvent,
        *,
        identity: Identity | None = None,
        account_id: UUID | None = None,
        session_id: UUID | None = None,
        api_key_id: UUID | None = None,
        how: str | None = None,
        by: str | None = None,
        account_ids: Sequence[UUID] | None = None,
    ) -> None:
        """Record an event, without the identity itself. `how` is a fixed word such as `password`, never input.

        `by` names the operator where it was one who did it; `account_ids` are all accounts that were shown.
        """


class Passwords(Protocol):
    """Slow password hashes, computed outside of the event loop.

    Both methods raise Overloaded when the work would not begin within seconds. Work whose caller was cancelled is not
    begun.
    """

    async def hash(self, password: str) -> str:
        """A salted hash, which contains its cost parameters."""

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the hash is of this password. Without a hash: False, after the same work and time."""

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other cost parameters than `hash` uses now."""


class AccessTokens(Protocol):
    """Signed tokens that name an account and a session. They do not say whether the session has ended."""

    @property
    def expires_in(self) -> int:
        """The life of a token in seconds."""

    def issue(self, account_id: UUID, session_id: UUID, now: datetime) -> str:
        """A signed token that expires `expires_in` seconds after `now`."""

    def read(self, token: str, now: datetime) -> Caller:
        """The caller that the token names. Raises TokenInvalid for a foreign, malformed or expired token."""
