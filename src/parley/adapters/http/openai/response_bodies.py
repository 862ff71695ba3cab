"""The bodies of OpenAI's responses: a request, and a response."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from parley.adapters.http.openai.completion_bodies import Bound, Count
from parley.adapters.http.openapi.fields import MODEL, described
from parley.core.chat.metadata import METADATA_CHARACTERS, METADATA_NAME_CHARACTERS, METADATA_PAIRS
from parley.core.chat.model_options import HOTTEST

RESPONSE_ID = "resp_01a1fe305c007a318d526f0b1c9e4a05"
CONVERSATION_ID = "conv_01a1fe305c007a318d526f0b1c9e4a03"
ITEM_ID = "msg_01a1fe305c007a318d526f0b1c9e4a04"
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=METADATA_NAME_CHARACTERS)],
        Annotated[str, Meta(max_length=METADATA_CHARACTERS)],
    ],
    Meta(max_length=METADATA_PAIRS),
]


ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "cancelled", "failed"]


class InputPart(Struct):
    """A part of an input message; only text is supported."""

    type: Annotated[str, described("`input_text` or `output_text`", "input_text")]
    text: Annotated[str | None, described("The text", "Where is it warm in May?")] = None


class InputItem(Struct):
    """A message of the conversation. `reasoning` items are left out; others are not supported."""

    type: Annotated[str | None, described("`message`", "message")] = None
    role: Annotated[
        str | None,
        described("Of a message", "user", enum=["system", "developer", "user", "assistant", None]),
    ] = None
    content: Annotated[
        str | list[InputPart] | None, described("The text, or parts of text", "Where is it warm in May?")
    ] = None


class ConversationReference(Struct):
    """A conversation by its id."""

    id: Annotated[str, described("The conversation: a chatroom of this account", CONVERSATION_ID)]


class ResponseRequest(Struct):
    """What to answer. Fields that are not listed are ignored."""

    model: Annotated[str, Meta(max_length=200), described("One of GET /v1/models", MODEL, format="model")]
    input: Annotated[
        str | list[InputItem],
        described("The user's message, or with `store: false` the whole conversation", "Where is it warm in May?"),
    ]
    store: Annotated[
        bool | None, described("`false`: the response is forgotten after its end, and its input with it", True)
    ] = None
    instructions: Annotated[
        str | None, described("Come before the conversation, for this response only", "Be brief.")
    ] = None
    stream: Annotated[bool | None, described("Whether events come while it is written", False)] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=HOTTEST)] | None, described("How varied the answer is", 1.0)
    ] = None
    top_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, described("Nucleus sampling", 1.0)] = None
    max_output_tokens: Annotated[
        Bound | None, described("The most tokens of the answer, its reasoning included", 1_000)
    ] = None
    background: Annotated[
        bool | None, described("Whether to answer at once, before the response is written", False)
    ] = None
    conversation: Annotated[
        str | ConversationReference | None,
        described("The conversation to go on with, from its newest message", CONVERSATION_ID),
    ] = None
    previous_response_id: Annotated[
        str | None, described("The response to go on from; not together with `conversation`", None)
    ] = None
    metadata: Annotated[Metadata | None, described("Names and values to get back", {"topic": "holidays"})] = None
    prompt: Annotated[Any, described("Not supported", None)] = None
    text: Annotated[Any, described('Not supported but for `{"format": {"type": "text"}}`', None)] = None
    tools: Annotated[Any, described("Not supported", None)] = None
    tool_choice: Annotated[Any, described("Not supported but for `none` and `auto`", None)] = None
    top_logprobs: Annotated[Any, described("Not supported but for 0", None)] = None
    truncation: Annotated[Any, described("Not supported but for `disabled`", None)] = None


class InputTokensDetails(Struct):
    """Of the tokens that were read."""

    cached_tokens: Annotated[Count, described("Those that the provider had cached", 0)]
    cache_write_tokens: Annotated[Count, described("Always 0: not counted", 0)] = 0


class OutputTokensDetails(Struct):
    """Of the tokens that were written."""

    reasoning_tokens: Annotated[Count, described("Those of the reasoning", 0)]


class ResponseUsage(Struct):
    """Token counts, as far as the provider counts; what it does not count is 0."""

    input_tokens: Annotated[Count, described("Tokens that were read", 6)]
    input_tokens_details: Annotated[InputTokensDetails, described("Of the first")]
    output_tokens: Annotated[Count, described("Tokens that were written", 8)]
    output_tokens_details: Annotated[OutputTokensDetails, described("Of the second")]
    total_tokens: Annotated[Count, described("Both", 14)]


class ResponseBody(Struct):
    """A response."""

    id: Annotated[str, described("The reply's id, as OpenAI's clients write ids", RESPONSE_ID)]
    created_at: Annotated[int, described("When it was accepted, in seconds since 1970", 1_795_253_400)]
    model: Annotated[str, described("The model that wrote it", MODEL)]
    status: Annotated[ResponseStatus, described("Its state", "completed")]
    output: Annotated[
        list[dict[str, Any]],
        described(
            "Items of the types `reasoning` and `message`",
            [
                {
                    "id": "msg_01a1fe305c007a318d526f0b1c9e4a05_0",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "You said: Hi", "annotations": [], "logprobs": []}],
                }
            ],
        ),
    ] = []
    error: Annotated[dict[str, str] | None, described("Why it failed", None)] = None
    incomplete_details: Annotated[dict[str, str] | None, described("Why the model ended early: `reason`", None)] = None
    usage: Annotated[ResponseUsage | None, described("Null if the provider does not count", None)] = None
    instructions: Annotated[str | None, described("As in the request", "Be brief.")] = None
    temperature: Annotated[float | None, described("As in the request", None)] = None
    top_p: Annotated[float | None, described("As in the request", None)] = None
    max_output_tokens: Annotated[int | None, described("As in the request", None)] = None
    object: Annotated[Literal["response"], described("Always `response`", "response")] = "response"
    background: Annotated[bool, described("As in the request", False)] = False
    store: Annotated[bool, described("Whether it can be read again", True)] = False
    conversation: Annotated[
        ConversationReference | None, described("The chatroom of a stored response", {"id": CONVERSATION_ID})
    ] = None
    previous_response_id: Annotated[str | None, described("The response before it in its conversation", None)] = None
    parallel_tool_calls: Annotated[Literal[False], described("Always false", False)] = False
    tool_choice: Annotated[Literal["none"], described("Always `none`", "none")] = "none"
    tools: Annotated[list[Any], described("Always empty", [])] = []
    metadata: Annotated[dict[str, str], described("As in the request", {"topic": "holidays"})] = {}


class DeletedResponse(Struct):
    """A response that is not known any more."""

    id: Annotated[str, described("Its id", RESPONSE_ID)]
    object: Annotated[Literal["response"], described("Always `response`", "response")] = "response"
    deleted: Annotated[Literal[True], described("Always true", True)] = True


class ItemList(Struct):
    """A page of items."""

    data: Annotated[
        list[dict[str, Any]],
        described(
            "Items of the type `message`",
            [
                {
                    "id": ITEM_ID,
                    "type": "message",
                    "role": "user",
                    "status": "completed",
                    "content": [{"type": "input_text", "text": "Where is it warm in May?"}],
                }
            ],
        ),
    ]
    first_id: Annotated[str, described("The id of the first one; empty without any", ITEM_ID)]
    last_id: Annotated[str, described("The id of the last one, `after` of the next page; empty without any", ITEM_ID)]
    has_more: Annotated[bool, described("Whether there is a next page", False)]
    object: Annotated[Literal["list"], described("Always `list`", "list")] = "list"
