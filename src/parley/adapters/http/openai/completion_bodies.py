"""The bodies of chat completions: a request, a whole answer, and the chunks of a streamed one."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from parley.adapters.http.openapi.fields import MODEL, described
from parley.core.chat.model_options import HOTTEST, MOST_STOPS, STOP_CHARACTERS

Count = Annotated[int, Meta(ge=0)]
Bound = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Stop = Annotated[str, Meta(min_length=1, max_length=STOP_CHARACTERS)]
FinishedBy = Literal["stop", "length", "content_filter"]


class ContentPart(Struct):
    """A part of a message; only text is supported."""

    type: Annotated[str, described("`text`", "text")]
    text: Annotated[str | None, described("The text", "Where is it warm in May?")] = None


class PromptMessage(Struct):
    """A message of the conversation."""

    role: Annotated[
        Literal["system", "developer", "user", "assistant", "tool", "function"],
        described("`system`, `developer`, `user` or `assistant`", "user"),
    ]
    content: Annotated[
        str | list[ContentPart] | None, described("The text, or parts of text", "Where is it warm in May?")
    ] = None
    tool_calls: Annotated[Any, described("Not supported", None)] = None
    function_call: Annotated[Any, described("Not supported", None)] = None
    audio: Annotated[Any, described("Not supported", None)] = None


class StreamOptions(Struct):
    """Options of a streamed answer."""

    include_usage: Annotated[bool | None, described("Whether the last chunk has the token counts", True)] = None


class CompletionRequest(Struct):
    """A conversation to answer. Fields that are not listed are ignored."""

    model: Annotated[str, Meta(max_length=200), described("One of GET /v1/models", MODEL, format="model")]
    messages: Annotated[
        list[PromptMessage],
        Meta(min_length=1),
        described("The whole conversation", [{"role": "user", "content": "Where is it warm in May?"}]),
    ]
    stream: Annotated[bool | None, described("Whether the answer comes in chunks while it is written", False)] = None
    stream_options: Annotated[
        StreamOptions | None, described("Options of a streamed answer", {"include_usage": True})
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=HOTTEST)] | None, described("How varied the answer is", 1.0)
    ] = None
    top_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, described("Nucleus sampling", 1.0)] = None
    max_completion_tokens: Annotated[
        Bound | None, described("The most tokens of the answer, its reasoning included", 1_000)
    ] = None
    max_tokens: Annotated[Bound | None, described("As `max_completion_tokens`, its older name", 1_000)] = None
    stop: Annotated[
        Stop | Annotated[list[Stop], Meta(max_length=MOST_STOPS)] | None,
        described("Texts before which the answer ends", ["\n\n"]),
    ] = None
    seed: Annotated[Seed | None, described("Equal requests with the same seed may be answered equally", 7)] = None
    n: Annotated[int | None, described("Only 1 is supported", 1)] = None
    tools: Annotated[Any, described("Not supported", None)] = None
    tool_choice: Annotated[Any, described("Not supported but for `none` and `auto`", None)] = None
    functions: Annotated[Any, described("Not supported", None)] = None
    function_call: Annotated[Any, described("Not supported but for `none` and `auto`", None)] = None
    response_format: Annotated[Any, described('Not supported but for `{"type": "text"}`', None)] = None
    logprobs: Annotated[Any, described("Not supported but for `false`", None)] = None
    top_logprobs: Annotated[Any, described("Not supported but for 0", None)] = None
    logit_bias: Annotated[Any, described("Not supported but for `{}`", None)] = None
    presence_penalty: Annotated[Any, described("Not supported but for 0", None)] = None
    frequency_penalty: Annotated[Any, described("Not supported but for 0", None)] = None
    modalities: Annotated[Any, described('Not supported but for `["text"]`', None)] = None
    audio: Annotated[Any, described("Not supported", None)] = None
    prediction: Annotated[Any, described("Not supported", None)] = None
    web_search_options: Annotated[Any, described("Not supported", None)] = None
    store: Annotated[Any, described("Not supported but for `false`: nothing is stored", None)] = None


class PromptTokensDetails(Struct):
    """Of the tokens that were read."""

    cached_tokens: Annotated[Count, described("Those that the provider had cached", 0)]


class CompletionTokensDetails(Struct):
    """Of the tokens that were written."""

    reasoning_tokens: Annotated[Count, described("Those of the reasoning", 0)]


USAGE = {
    "prompt_tokens": 6,
    "completion_tokens": 8,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


class Usage(Struct):
    """Token counts, as far as the provider counts; what it does not count is 0."""

    prompt_tokens: Annotated[Count, described("Tokens that were read", 6)]
    completion_tokens: Annotated[Count, described("Tokens that were written", 8)]
    total_tokens: Annotated[Count, described("Both", 14)]
    prompt_tokens_details: Annotated[PromptTokensDetails, described("Of the first")]
    completion_tokens_details: Annotated[CompletionTokensDetails, described("Of the second")]


class AnswerMessage(Struct, omit_defaults=True):
    """The answer."""

    content: Annotated[str, described("The text", "You said: Where is it warm in May?")]
    refusal: Annotated[None, described("Always null: a refusal in words is text", None)]
    role: Annotated[Literal["assistant"], described("Always `assistant`", "assistant")]
    reasoning_content: Annotated[str | UnsetType, described("What the model thought, if it says so", "Hm.")] = UNSET


class Choice(Struct):
    """The answer, of which there is one."""

    message: Annotated[AnswerMessage, described("The answer")]
    finish_reason: Annotated[FinishedBy, described("Why the model ended its answer", "stop")]
    index: Annotated[int, described("Always 0", 0)] = 0
    logprobs: Annotated[None, described("Always null", None)] = None


class Completion(Struct):
    """A whole answer."""

    id: Annotated[str, described("Names this answer in the server's log", "chatcmpl-01a1fe305c007a318d526f0b1c9e4a05")]
    created: Annotated[int, described("When the request was accepted, in seconds since 1970", 1_795_253_400)]
    model: Annotated[str, described("The model that wrote it", MODEL)]
    choices: Annotated[list[Choice], described("One answer")]
    usage: Annotated[Usage | None, described("Null if the provider does not count", USAGE)]
    object: Annotated[Literal["chat.completion"], described("Always `chat.completion`", "chat.completion")] = (
        "chat.completion"
    )
