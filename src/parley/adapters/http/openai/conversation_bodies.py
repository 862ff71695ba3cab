"""The bodies of OpenAI's conversations."""

from typing import Annotated, Any, Literal

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Meta, Struct

from parley.adapters.http.openai.response_bodies import CONVERSATION_ID, ITEM_ID, InputItem, Metadata
from parley.adapters.http.openai.response_ids import conversation_id
from parley.adapters.http.openapi.fields import described
from parley.core.chat.model import Room

# As OpenAI has it.
MOST_ITEMS = 20
_ITEMS = [{"type": "message", "role": "user", "content": "Where is it warm in May?"}]
_METADATA = {"topic": "holidays"}
_GIVEN = described("Names and values to get back", _METADATA)

ITEM = ResponseSpec(
    dict[str, Any],
    generate_examples=False,
    description="An item of the type `message` or `reasoning`",
    examples=[
        Example(
            summary="message",
            value={
                "id": ITEM_ID,
                "type": "message",
                "role": "user",
                "status": "completed",
                "content": [{"type": "input_text", "text": "Where is it warm in May?"}],
            },
        )
    ],
)


class NewConversation(Struct):
    """A new conversation. Fields that are not listed are ignored."""

    items: Annotated[
        Annotated[list[InputItem], Meta(max_length=MOST_ITEMS)] | None,
        described("Messages of the user and the assistant to begin with, 20 at most", _ITEMS),
    ] = None
    metadata: Annotated[Metadata | None, _GIVEN] = None


class ConversationChange(Struct):
    """Metadata in place of the earlier ones."""

    metadata: Annotated[Metadata | None, _GIVEN]


class NewItems(Struct):
    """Messages of the user and the assistant. Nobody is asked to answer them."""

    items: Annotated[
        list[InputItem], Meta(min_length=1, max_length=MOST_ITEMS), described("The messages, 20 at most", _ITEMS)
    ]


class ConversationBody(Struct):
    """A conversation."""

    id: Annotated[str, described("The chatroom's id, as OpenAI's clients write ids", CONVERSATION_ID)]
    created_at: Annotated[int, described("When it was created, in seconds since 1970", 1_795_253_400)]
    metadata: Annotated[dict[str, str], described("As they were given", _METADATA)]
    object: Annotated[Literal["conversation"], described("Always `conversation`", "conversation")] = "conversation"


class DeletedConversation(Struct):
    """A conversation that is gone."""

    id: Annotated[str, described("Its id", CONVERSATION_ID)]
    object: Annotated[
        Literal["conversation.deleted"], described("Always `conversation.deleted`", "conversation.deleted")
    ] = "conversation.deleted"
    deleted: Annotated[Literal[True], described("Always true", True)] = True


def conversation_body(room: Room) -> ConversationBody:
    created_at = int(room.created_at.timestamp())
    return ConversationBody(conversation_id(room.id), created_at, dict(room.metadata))
