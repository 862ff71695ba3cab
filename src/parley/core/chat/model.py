"""The data of the chat module: rooms, messages, and replies while they are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Literal
from uuid import UUID

from parley.core.chat.metadata import Metadata
from parley.core.chat.model_options import ModelOptions
from parley.core.chat.naming import Naming
from parley.core.chat.parts import Part, PartKind, join_parts, parts_with
from parley.core.chat.rating import Feedback
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.chat.tree import Siblings

MESSAGE_CHARACTERS = 32_000
ROOM_NAME_CHARACTERS = 200
LAST_MESSAGE_CHARACTERS = 200
IDEMPOTENCY_KEY_CHARACTERS = 255
IDEMPOTENCY_KEY_LIFE = timedelta(hours=24)


class Role(str, Enum):
    USER = "user"
    ASSISTANT = "assistant"


class Status(str, Enum):
    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({Status.COMPLETED, Status.STOPPED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Room:
    """One conversation of one account. A `model` of None means the default model.

    `head` is the last message of the branch that is shown; None in an empty room. `last_message` is the beginning of
    the newest one there with a text of its own: not a reply that is still `awaited`, nor one that ended empty.
    `external_id` is the id that its client gave it, if any; no other room of the account has it. `metadata` are its
    client's too.
    """

    id: UUID
    account_id: UUID
    name: str
    model: str | None
    instructions: str | None
    created_at: datetime
    active_at: datetime
    naming: Naming = Naming.USER
    head: UUID | None = None
    pinned: bool = False
    archived: bool = False
    last_message: str | None = None
    awaited: bool = False
    external_id: str | None = None
    metadata: Metadata = ()

    @property
    def title_source(self) -> Literal["user", "auto"]:
        return "user" if self.naming is Naming.USER else "auto"


class FinishReason(str, Enum):
    """Why a model ended its answer: it was done, it reached its limit, or its provider's filter stepped in."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class ReplyError:
    """Why a reply failed; both fields are shown to the account."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """A user's message or a reply. `position` orders a room's messages; `attempt` counts the claims of a reply.

    `parent_id` is the message before it on its branch: a reply or None before a user's message, the question before a
    reply; next to messages that a client gave, any. A parent has a lower position. `content` is the text of `parts`. If
    no parts are given, it is the only part.
    `external_id` is the id that its client gave a user's message, if any; its edited versions have the same.
    """

    id: UUID
    room_id: UUID
    role: Role
    content: str
    status: Status
    created_at: datetime
    position: int = 0
    model: str | None = None
    reply_to: UUID | None = None
    usage: TokenUsage | None = None
    error: ReplyError | None = None
    completed_at: datetime | None = None
    attempt: int = 0
    parts: tuple[Part, ...] = ()
    finish_reason: FinishReason | None = None
    feedback: Feedback | None = None
    parent_id: UUID | None = None
    siblings: Siblings = Siblings(0, 1, ())  # noqa: RUF009  immutable. Without ids: itself alone.
    external_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", parts_with(self.content, self.parts))
        if not self.siblings.ids:
            object.__setattr__(self, "siblings", Siblings(0, 1, (self.id,)))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A user's message and its reply. `position` and `status` are the reply's, `answer` is None if it has no text.

    A message that a client gave may have no counterpart: a user's without a reply, or one in the model's name that
    follows no user's, whose `question` is None.
    """

    position: int
    question: str | None
    answer: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class RoomCursor:
    """The last room of a page. The id decides between rooms with the same time of activity."""

    active_at: datetime
    room_id: UUID
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's name for one request. `fingerprint` is a hash of the body, equal for a repetition."""

    value: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Charge:
    """What a reply's acceptance took from the quota: a message of the day `on` and, until the reply ends, `tokens`.

    `plan` is the name of the account's plan at that moment, whose limits hold for the reply.
    """

    on: date
    tokens: int = 0
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write one attempt of a reply, as long as its lease is renewed.

    `attempt` counts the claims of the reply, `failures` those that its model failed, `releases` those that ended with a
    shutdown of the worker, and `charged_on` is the day whose quota paid, if any did, `plan` the name of the account's
    plan then. `created_at` is the reply's; `instructions` are its room's, which `awaits_title` of a model. `prompt` is
    the whole conversation, if the client gave that; `settings` are the reply's own, if it has any.
    """

    reply_id: UUID
    room_id: UUID
    account_id: UUID
    position: int
    model: str
    attempt: int
    failures: int
    charged_on: date | None
    created_at: datetime
    stop_requested: bool = False
    releases: int = 0
    plan: str | None = None
    instructions: str | None = None
    awaits_title: bool = False
    prompt: "Conversation | None" = None
    settings: ReplySettings | None = None


class Lease(Enum):
    """The result of a renewal."""

    HELD = "held"
    STOP_REQUESTED = "stop_requested"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Ending:
    """The final state of a reply. `content` and `parts` are related as in Message.

    `usage` is what the provider of the last attempt counted, `spent` what counts for that attempt; None: the same.
    `is_refusal` marks a failure that what the user wrote can bring about: its message is returned a few times a day.
    """

    status: Status
    content: str
    at: datetime
    usage: TokenUsage | None = None
    error: ReplyError | None = None
    parts: tuple[Part, ...] = ()
    finish_reason: FinishReason | None = None
    is_refusal: bool = False
    spent: Spent | None = None

    @property
    def counted(self) -> Spent:
        """What counts for the last attempt."""
        return self.spent or Spent.of(self.usage)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", parts_with(self.content, self.parts))


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as it is sent to a model."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a model is asked to continue: instructions and the turns, oldest first, the first and last one a user's."""

    instructions: str | None
    turns: tuple[Turn, ...]
    options: ModelOptions = ModelOptions()  # noqa: RUF009  immutable


@dataclass(frozen=True, slots=True, order=True)
class EventId:
    """A reader's position in a reply's stream: an attempt and a number of its characters, those of all parts.

    As the position is a number of characters, any stream can be resumed from nothing but the database.
    """

    attempt: int
    offset: int

    def __str__(self) -> str:
        return f"{self.attempt}-{self.offset}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text or reasoning of one attempt, and the number of characters before it, those of all parts.

    An empty chunk at 0 begins an attempt.
    """

    attempt: int
    start: int
    text: str
    kind: PartKind = PartKind.TEXT

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def join_chunks(chunks: Iterable[Chunk]) -> tuple[Part, ...]:
    """The parts of which one attempt's chunks consist, oldest first, from its beginning up to the first gap."""
    found, end = list[Part](), 0
    for chunk in chunks:
        if chunk.start > end:
            break
        found.append(Part(chunk.kind, chunk.text[end - chunk.start :]))
        end = max(end, chunk.end)
    return join_parts(found)


def split_into_chunks(attempt: int, parts: Iterable[Part], *, start: int = 0) -> Iterator[Chunk]:
    """One chunk for each part of an attempt, the first one behind `start` characters."""
    for part in parts:
        chunk = Chunk(attempt, start, part.text, part.kind)
        start = chunk.end
        yield chunk
