"""The outer world of the accounts module, as a test can foresee it and look into it."""

from dataclasses import dataclass
from uuid import UUID

from parley.core.accounts.model import AuditEvent, Identity, Purpose
from parley.core.accounts.ports import SenderFailed


class SendBuffer:
    """An OtpSender that keeps the post. While there are `failures`, each sending raises the next of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[Identity, str, Purpose]] = []
        self.minutes: list[int] = []
        self.failures: list[SenderFailed] = []

    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((identity, code, purpose))
        self.minutes.append(minutes)

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class Hints:
    """A DeliveryQueue that keeps what was put."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def put(self, delivery_id: UUID) -> None:
        self.ids.append(delivery_id)


class Envelopes:
    """A Seal that only turns the text around; what it did not close it cannot open."""

    def encrypt(self, text: str) -> bytes:
        return f"sealed {text[::-1]}".encode()

    def decrypt(self, sealed: bytes) -> str:
        if not sealed.startswith(b"sealed "):
            raise ValueError
        return sealed.decode().removeprefix("sealed ")[::-1]


@dataclass(frozen=True)
class Note:
    event_kind: AuditEvent
    identity: Identity | None = None
    account_id: UUID | None = None
    session_id: UUID | None = None
    how: str | None = None


class Notebook:
    """An AuditTrail in a list."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def note(self, event_kind: AuditEvent, **facts) -> None:
        self.notes.append(Note(event_kind, **facts))

    @property
    def happenings(self) -> list[AuditEvent]:
        return [note.event_kind for note in self.notes]


class QuickPasswords:
    """Passwords with reversible hashes of a `cost`, which notes what it was made to do."""

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
