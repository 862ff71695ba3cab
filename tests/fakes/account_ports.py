"""Fakes of the accounts module's ports to senders, audit trail, cipher and password hashing."""

from dataclasses import dataclass
from uuid import UUID

from parley.core.accounts.model import AuditEvent, Identity, Notice, Purpose
from parley.core.accounts.ports import SenderFailed
from parley.core.errors import Unavailable


class FakeOtpSender:
    """Records what was sent or rehearsed. While there are `failures`, each call raises the next of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[Identity, str, Purpose]] = []
        self.rehearsed: list[tuple[Identity, str, Purpose]] = []
        self.minutes: list[int] = []
        self.notices: list[tuple[Identity, Notice]] = []
        self.failures: list[SenderFailed] = []

    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((identity, code, purpose))
        self.minutes.append(minutes)

    async def rehearse(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        del minutes
        if self.failures:
            raise self.failures.pop(0)
        self.rehearsed.append((identity, code, purpose))

    async def send_notice(self, identity: Identity, notice: Notice) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.notices.append((identity, notice))

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class FakeDeliveryQueue:
    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def put(self, delivery_id: UUID) -> None:
        self.ids.append(delivery_id)


class FakeCipher:
    """Reverses the text behind a prefix, without which it refuses to decrypt."""

    def encrypt(self, text: str) -> bytes:
        return f"encrypted {text[::-1]}".encode()

    def decrypt(self, encrypted: bytes) -> str:
        if not encrypted.startswith(b"encrypted "):
            raise ValueError
        return encrypted.decode().removeprefix("encrypted ")[::-1]


@dataclass(frozen=True)
class AuditNote:
    event_kind: AuditEvent
    identity: Identity | None = None
    account_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    how: str | None = None
    by: str | None = None
    account_ids: tuple[UUID, ...] | None = None


class FakeAuditTrail:
    def __init__(self) -> None:
        self.notes: list[AuditNote] = []

    def note(self, event_kind: AuditEvent, **facts) -> None:
        self.notes.append(AuditNote(event_kind, **facts))

    @property
    def events(self) -> list[AuditEvent]:
        return [note.event_kind for note in self.notes]


class FakePasswords:
    """Reversible hashes with a `cost`; counts hashes and records which hashes were verified."""

    def __init__(self) -> None:
        self.cost = 1
        self.hashed = 0
        self.verified: list[str | None] = []

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return f"{self.cost}:{password}"

    async def verify(self, password: str, password_hash: str | None) -> bool:
        self.verified.append(password_hash)
        return password_hash is not None and password_hash.partition(":")[2] == password

    def needs_rehash(self, password_hash: str) -> bool:
        return password_hash.partition(":")[0] != str(self.cost)


class FakeHumanCheck:
    """Each of `tokens` passes once. While it is `away`, it cannot say."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = set(tokens)
        self.addresses: list[str] = []
        self.away = False

    async def passes(self, token: str, *, address: str) -> bool:
        await self.check()
        self.addresses.append(address)
        passes = token in self.tokens
        self.tokens.discard(token)
        return passes

    async def check(self) -> None:
        if self.away:
            raise Unavailable

    async def close(self) -> None: ...
