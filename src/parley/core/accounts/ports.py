"""What the accounts module needs of the world outside, named by role. Times are aware and UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.accounts.model import AuditEvent, Caller, Identity, IdentityKind, Purpose


class NewToken(Protocol):
    def __call__(self) -> str:
        """An opaque token of at least 128 random bits, from a generator fit for secrets, safe in a URL."""


class NewCode(Protocol):
    def __call__(self) -> str:
        """Six decimal digits, from a generator fit for secrets."""


class MobileNumbers(Protocol):
    def e164(self, text: str) -> str:
        """The number in E.164, the same for every way of writing it down.

        Raises InvalidInput for the field mobile_number, also for a number without its country code.
        """


class SenderFailed(Exception):
    """A code did not reach its owner; the message says why and holds neither the code nor an identity."""


class SenderUnavailable(SenderFailed):
    """Not now: a later try may succeed."""


class SenderRefused(SenderFailed):
    """Not ever: whoever was to carry the message refused it, or the recipient."""


class OtpSender(Protocol):
    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        """Bring the code to the owner of the identity and tell them that it is good for `minutes`.

        Ends in time by itself. Raises SenderUnavailable, SenderRefused.
        """

    async def check(self) -> None:
        """Reach whoever carries the message, as `send` would, and send nothing. Raises SenderFailed."""

    async def close(self) -> None: ...


class DeliveryQueue(Protocol):
    async def put(self, delivery_id: UUID) -> None:
        """A hint to deliver that code. It may be lost or repeated; raises nothing when it cannot be put."""


class Cipher(Protocol):
    """Encryption for what a worker must be able to read and nobody else."""

    def encrypt(self, text: str) -> bytes: ...

    def decrypt(self, encrypted: bytes) -> str:
        """Raises ValueError for what was not encrypted with one of today's keys."""


@dataclass(frozen=True, slots=True)
class CodeDelivery:
    """How codes reach people: who carries them to which kind of identity, and how the carriers hear of them."""

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
        how: str | None = None,
    ) -> None:
        """Write down what happened, without the identity itself. `how` is a word of ours, such as `password`."""


class Passwords(Protocol):
    """Slow hashes of passwords, never computed on the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the hash is of this password. Without a hash: False, after the same work."""

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other costs than `hash` takes today."""


class AccessTokens(Protocol):
    """Signed proof of a session, for as long as one token lives. Whether the session has ended is not in it."""

    @property
    def expires_in(self) -> int:
        """The life of a token in seconds."""

    def issue(self, account_id: UUID, session_id: UUID, now: datetime) -> str: ...

    def read(self, token: str, now: datetime) -> Caller:
        """Raises TokenInvalid for whatever `issue` did not make, and for what has expired."""
