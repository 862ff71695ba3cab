"""The HTTP endpoints for OpenAI's conversations: chatrooms."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.params import JSONBody, PathParameter

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.plan_limits import PLAN_ROOMS_USED
from parley.adapters.http.openai.conversation_bodies import (
    ITEM,
    ConversationBody,
    ConversationChange,
    DeletedConversation,
    NewConversation,
    NewItems,
    conversation_body,
)
from parley.adapters.http.openai.conversation_items import given_messages, items_of_message
from parley.adapters.http.openai.errors import SHOULD_RETRY, openai_errors
from parley.adapters.http.openai.item_pages import (
    After,
    Branch,
    Limit,
    Order,
    item_list,
    message_of_item,
    read_items,
)
from parley.adapters.http.openai.response_bodies import CONVERSATION_ID, ITEM_ID, ItemList
from parley.adapters.http.openai.response_ids import ConversationNotFound, ItemNotFound, read_id
from parley.adapters.http.openapi.fields import example
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import Ports
from parley.core.chat import ChatPorts
from parley.core.chat.delete_message import delete_last_message
from parley.core.chat.errors import MessageNotFound, NotTheLastMessage, RoomNotFound, TooManyRooms
from parley.core.chat.given_messages import add_messages, create_room_with
from parley.core.chat.history import read_message
from parley.core.chat.model import Message
from parley.core.chat.rooms import change_room, delete_room, find_room
from parley.core.errors import InvalidInput

_NOT_FOUND = ConversationNotFound()
_ITEM_NOT_FOUND = ItemNotFound()
ConversationId = Annotated[
    str, PathParameter(max_length=100, description="The conversation", examples=example(CONVERSATION_ID))
]
ItemId = Annotated[str, PathParameter(max_length=100, description="The item", examples=example(ITEM_ID))]


class ConversationController(Controller):
    path = "/v1/conversations"
    tags = ("OpenAI",)
    security = BEARER_OR_KEY

    @post(
        status_code=200,
        operation_id="createConversation",
        summary="Begin a conversation",
        operation_class=operation(headers={409: SHOULD_RETRY}),
        responses=openai_errors(
            InvalidInput("items", "has a wrong item"), PLAN_ROOMS_USED, 413, 415, TooManyRooms(1_000)
        ),
    )
    async def create(
        self, data: JSONBody[NewConversation], request: AuthenticatedRequest, ports: Ports
    ) -> ConversationBody:
        """A chatroom, named by the first words of its first message and later by a model. It costs no quota."""
        room = await create_room_with(
            ports.chat,
            account_id=request.user.account_id,
            messages=given_messages(data.items or ()),
            metadata=tuple((data.metadata or {}).items()),
        )
        return conversation_body(room)

    @get(
        "/{conversation_id:str}",
        operation_id="retrieveConversation",
        summary="Read a conversation",
        responses=openai_errors(400, _NOT_FOUND),
    )
    async def retrieve(
        self, conversation_id: ConversationId, request: AuthenticatedRequest, ports: Ports
    ) -> ConversationBody:
        """Every chatroom of the account is one. Its messages are its items."""
        room_id = _room_id(conversation_id)
        with _in_this_protocol():
            room = await find_room(ports.chat, account_id=request.user.account_id, room_id=room_id)
        return conversation_body(room)

    @post(
        "/{conversation_id:str}",
        status_code=200,
        operation_id="updateConversation",
        summary="Change the metadata of a conversation",
        responses=openai_errors(InvalidInput("metadata", "is required"), _NOT_FOUND, 413, 415),
    )
    async def update(
        self,
        conversation_id: ConversationId,
        data: JSONBody[ConversationChange],
        request: AuthenticatedRequest,
        ports: Ports,
    ) -> ConversationBody:
        """All of them are replaced; null removes them."""
        changes = {"metadata": tuple((data.metadata or {}).items())}
        account_id, room_id = request.user.account_id, _room_id(conversation_id)
        with _in_this_protocol():
            room = await change_room(ports.chat, account_id=account_id, room_id=room_id, changes=changes)
        return conversation_body(room)

    @delete(
        "/{conversation_id:str}",
        status_code=200,
        operation_id="deleteConversation",
        summary="Delete a conversation",
        responses=openai_errors(400, _NOT_FOUND),
    )
    async def delete(
        self, conversation_id: ConversationId, request: AuthenticatedRequest, ports: Ports
    ) -> DeletedConversation:
        """The chatroom with all its messages, unlike OpenAI's own, which keeps the items."""
        account_id, room_id = request.user.account_id, _room_id(conversation_id)
        with _in_this_protocol():
            await delete_room(ports.chat, account_id=account_id, room_id=room_id)
        return DeletedConversation(conversation_id)


class ConversationItemController(Controller):
    path = "/v1/conversations/{conversation_id:str}/items"
    tags = ("OpenAI",)
    security = BEARER_OR_KEY

    @post(
        status_code=200,
        operation_id="createConversationItems",
        summary="Add items to a conversation",
        responses=openai_errors(InvalidInput("items", "has a wrong item"), _NOT_FOUND, 413, 415),
    )
    async def create(
        self,
        conversation_id: ConversationId,
        data: JSONBody[NewItems],
        request: AuthenticatedRequest,
        ports: Ports,
    ) -> ItemList:
        """Messages at the end of the branch that is shown, all or none. Nobody answers them, so they cost no quota.

        They follow a reply that is still being written. Reasoning is left out; other items are refused.
        """
        messages = given_messages(data.items)
        if not messages:
            raise InvalidInput("items", "must have a message")
        account_id, room_id = request.user.account_id, _room_id(conversation_id)
        with _in_this_protocol():
            added = await add_messages(ports.chat, account_id=account_id, room_id=room_id, messages=messages)
        return item_list([item for message in added for item in items_of_message(message)])

    @get(
        operation_id="listConversationItems",
        summary="List the items of a conversation",
        responses=openai_errors(400, _NOT_FOUND),
    )
    async def list(
        self,
        conversation_id: ConversationId,
        request: AuthenticatedRequest,
        ports: Ports,
        after: After = None,
        limit: Limit = 20,
        order: Order = "desc",
    ) -> ItemList:
        """Those of the branch that is shown. A reply has items once it has ended."""
        branch = Branch(request.user.account_id, _room_id(conversation_id), items_of_message)
        with _in_this_protocol():
            return await read_items(ports.chat, branch, after=after, limit=limit, order=order)

    @get(
        "/{item_id:str}",
        operation_id="retrieveConversationItem",
        summary="Read an item of a conversation",
        responses={200: ITEM, **openai_errors(400, _ITEM_NOT_FOUND)},
    )
    async def retrieve(
        self, conversation_id: ConversationId, item_id: ItemId, request: AuthenticatedRequest, ports: Ports
    ) -> dict[str, object]:
        """Of any branch of the chatroom."""
        message = await _message(ports.chat, request.user.account_id, conversation_id, item_id)
        return next(item for item in items_of_message(message) if item["id"] == item_id)

    @delete(
        "/{item_id:str}",
        status_code=200,
        operation_id="deleteConversationItem",
        summary="Delete the last item of a conversation",
        operation_class=operation(headers={409: SHOULD_RETRY}),
        responses=openai_errors(400, _ITEM_NOT_FOUND, NotTheLastMessage()),
    )
    async def delete(
        self, conversation_id: ConversationId, item_id: ItemId, request: AuthenticatedRequest, ports: Ports
    ) -> ConversationBody:
        """With its message, and so with the reasoning of a reply.

        Only that of the last message, which others do not depend on, if it is not the first one and has no
        alternatives; otherwise 409 `not_the_last_message`.
        """
        account_id = request.user.account_id
        message = await _message(ports.chat, account_id, conversation_id, item_id)
        with _in_this_protocol():
            room = await delete_last_message(
                ports.chat, account_id=account_id, room_id=message.room_id, message_id=message.id
            )
        return conversation_body(room)


@contextmanager
def _in_this_protocol() -> Iterator[None]:
    """Raises ConversationNotFound and ItemNotFound for a room and a message that are not found."""
    try:
        yield
    except RoomNotFound as error:
        raise ConversationNotFound from error
    except MessageNotFound as error:
        raise ItemNotFound from error


def _room_id(given: str) -> UUID:
    """Raises ConversationNotFound."""
    room_id = read_id(given, "conv")
    if room_id is None:
        raise ConversationNotFound
    return room_id


async def _message(chat: ChatPorts, account_id: UUID, given: str, item_id: str) -> Message:
    """The message that has the item. Raises ConversationNotFound, ItemNotFound."""
    room_id, message_id = _room_id(given), message_of_item(item_id)
    if message_id is None:
        raise ItemNotFound
    with _in_this_protocol():
        message = await read_message(chat, account_id=account_id, room_id=room_id, message_id=message_id)
    if not any(item["id"] == item_id for item in items_of_message(message)):
        raise ItemNotFound
    return message
