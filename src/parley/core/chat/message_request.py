"""What is asked of the chat module when a message is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.client_messages import ClientMessage
from parley.core.chat.model import MESSAGE_CHARACTERS, IdempotencyKey, Message, Role, Room, Status
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.tree import Head
from parley.core.errors import InvalidInput
from parley.core.text import check_text, is_readable


@dataclass(frozen=True, slots=True)
class GivenMessage:
    """The author and the text of a message that is added for the record."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """What is to be accepted from an account: a reply and, unless `question` is None, the message that it answers.

    They are complete except for what depends on the room. `sibling_of` is the message that is edited, or the reply
    beside which another one is wanted. A `client` that makes ids decides of the room, too. A `new_room` is made first.
    The messages of `before` are added between the parent and the question.
    """

    account_id: UUID
    question: Message | None
    reply: Message
    key: IdempotencyKey | None
    parent: UUID | Head | None = Head.SHOWN
    sibling_of: UUID | None = None
    client: ClientMessage | None = None
    before: Sequence[GivenMessage] = ()
    settings: ReplySettings | None = None
    new_room: Room | None = None


def check_content(content: str, field: str = "content") -> None:
    check_text(field, content, longest=MESSAGE_CHARACTERS)
    if not is_readable(content):
        raise InvalidInput(field, "must have a letter, number, punctuation mark or symbol")


def new_exchange(chat: ChatPorts, room_id: UUID, content: str, model: str | None) -> tuple[Message, Message]:
    """A user's message and its pending reply, which have no positions yet."""
    question_id, reply_id, now = chat.new_id(), chat.new_id(), chat.now()
    question = Message(question_id, room_id, Role.USER, content, Status.COMPLETED, now, completed_at=now)
    return question, Message(
        reply_id, room_id, Role.ASSISTANT, "", Status.PENDING, now, model=model, reply_to=question_id
    )
