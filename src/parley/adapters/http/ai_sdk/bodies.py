"""What the AI SDK's client sends. Fields that are not listed are ignored."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from parley.adapters.http.openapi.fields import MODEL, described
from parley.core.chat.client_ids import CLIENT_ID_CHARACTERS
from parley.core.errors import InvalidInput

Id = Annotated[str, Meta(min_length=1, max_length=CLIENT_ID_CHARACTERS)]


class UIPart(Struct):
    """A part of a message; only text is read."""

    type: Annotated[str, described("`text`", "text")]
    text: Annotated[str | None, described("The text", "Where is it warm in May?")] = None


class UIMessage(Struct):
    """A message as the client has it."""

    role: Annotated[str, described("`user`, `assistant` or `system`", "user")]
    id: Annotated[Id | None, described("The id that the client made", "V1StGXR8Z5jdHi6B")] = None
    parts: Annotated[list[UIPart], described("The text", [{"type": "text", "text": "Where is it warm in May?"}])] = []


class ChatRequest(Struct, rename={"message_id": "messageId"}):
    """A message, or the wish for another reply. Only the last user's message is read, and which reply came before."""

    id: Annotated[Id, described("The chat's id, made by the client", "nG8q2Lw0sVxY4kTe")]
    messages: Annotated[
        list[UIMessage],
        described("The conversation as the client shows it", [{"id": "V1St", "role": "user", "parts": []}]),
    ] = []
    message: Annotated[UIMessage | None, described("The last message, in place of `messages`", None)] = None
    trigger: Annotated[
        Literal["submit-message", "regenerate-message"] | None,
        described("`regenerate-message` for another reply", "submit-message"),
    ] = None
    message_id: Annotated[
        Id | None, described("The message that is edited, or the reply that is to be written again", None)
    ] = None
    model: Annotated[Annotated[str, Meta(max_length=200)] | None, described("One of GET /models", MODEL)] = None

    @property
    def shown(self) -> list[UIMessage]:
        return self.messages if self.message is None else [*self.messages, self.message]

    @property
    def question(self) -> UIMessage:
        """The message to answer. Raises InvalidInput without one."""
        last = self.shown[-1] if self.shown else None
        if last is None or last.role != "user":
            raise InvalidInput("messages", "the last one must be the user's")
        return last

    @property
    def last_question(self) -> str | None:
        return next((message.id for message in reversed(self.shown) if message.role == "user"), None)

    @property
    def last_reply(self) -> UUID | None:
        """The reply that the client shows last, as far as its id can be one of parley's."""
        found = next((message.id for message in reversed(self.shown) if message.role == "assistant"), None)
        try:
            return None if found is None else UUID(found)
        except ValueError:
            return None


def text_of(message: UIMessage) -> str:
    """Raises InvalidInput for a part that is no text: it would be left out silently."""
    if any(part.type not in ("text", "step-start") for part in message.parts):
        raise InvalidInput("parts", "must be of the type text, the only one that is supported")
    return "\n".join(part.text or "" for part in message.parts if part.type == "text")
