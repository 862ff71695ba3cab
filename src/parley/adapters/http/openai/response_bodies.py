"""The bodies of OpenAI's responses: a request, and a response."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from parley.adapters.http.openai.completion_bodies import Bound, Count
from parley.adapters.http.openapi.fields import MODEL, described
from parley.core.chat.model_options import HOTTEST

RESPONSE_ID = "resp_01a1fe305c007a318d526f0b1c9e4a05"


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


class ResponseRequest(Struct):
    """A conversation to answer. Fields that are not listed are ignored."""

    model: Annotated[str, Meta(max_length=200), described("One of GET /v1/models", MODEL, format="model")]
    input: Annotated[str | list[InputItem], described("The whole conversation", "Where is it warm in May?")]
    store: Annotated[bool | None, described("Must be `false`: responses are not stored", False, enum=[False])]
    instructions: Annotated[str | None, described("Come before the conversation", "Be brief.")] = None
    stream: Annotated[bool | None, described("Whether events come while it is written", False)] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=HOTTEST)] | None, described("How varied the answer is", 1.0)
    ] = None
    top_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, described("Nucleus sampling", 1.0)] = None
    max_output_tokens: Annotated[
        Bound | None, described("The most tokens of the answer, its reasoning included", 1_000)
    ] = None
    background: Annotated[Any, described("Not supported but for `false`", None)] = None
    conversation: Annotated[Any, described("Not supported", None)] = None
    previous_response_id: Annotated[Any, described("Not supported", None)] = None
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

    id: Annotated[str, described("Names this response in the server's log", RESPONSE_ID)]
    created_at: Annotated[int, described("When it was accepted, in seconds since 1970", 1_795_253_400)]
    model: Annotated[str, described("The model that wrote it", MODEL)]
    status: Annotated[Literal["in_progress", "completed", "incomplete", "failed"], described("Its state", "completed")]
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
    background: Annotated[Literal[False], described("Always false", False)] = False
    store: Annotated[Literal[False], described("Always false", False)] = False
    parallel_tool_calls: Annotated[Literal[False], described("Always false", False)] = False
    tool_choice: Annotated[Literal["none"], described("Always `none`", "none")] = "none"
    tools: Annotated[list[Any], described("Always empty", [])] = []
    metadata: Annotated[dict[str, str], described("Always empty", {})] = {}
