"""The kinds of answers that model servers give: those of both formats, and those that only one of them can say."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from parley.core.chat.errors import ContextTooLong, ModelRefused, ModelUnavailable
from parley.core.chat.model import FinishReason
from tests.contracts.model_formats import Format, events

STOP, LENGTH, FILTERED = FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER
INTERRUPTED = (ModelUnavailable, "model_interrupted")
RATE_LIMITED = (ModelUnavailable, "model_rate_limited")
WRONG_KEY = (ModelRefused, "model_rejected_key")
REJECTED = (ModelRefused, "model_rejected_request")
NOT_FOUND = (ModelRefused, "model_not_found")
TOO_LONG = (ContextTooLong, "context_too_long")
BLOCKED = (ModelRefused, "content_blocked")
DEEP = "[" * 100_000 + "]" * 100_000

End = FinishReason | tuple[type, str]


class Kind(NamedTuple):
    """A kind of answer: its bytes, and what the adapter makes of them."""

    sent: Callable[[Format], bytes]
    end: End = STOP
    text: str = "Hello"
    reasoning: str = ""


def around(*middle: str) -> Callable[[Format], bytes]:
    """Hello, then these events, then the end: for what must be left out."""
    return lambda form: events(form.text("Hello"), *middle, form.end(form.stopped), "[DONE]")


def after_hello(*data: str) -> Callable[[Format], bytes]:
    return lambda form: events(form.text("Hello"), *data)


def beside(field: str) -> Callable[[Format], bytes]:
    """Hello with one more field, then the end."""
    return lambda form: events(form.text("Hello")[:-1] + f", {field}}}", form.end(form.stopped))


def within(part: str) -> Callable[[Format], bytes]:
    """A text written by hand, without JSON's escapes being looked at, then the end."""
    return lambda form: events(form.text("HERE").replace("HERE", part), form.end(form.stopped))


def named_error(data: str) -> Callable[[Format], bytes]:
    return lambda form: events(form.text("Hello")) + f"event: error\n{data}\n\n".encode() + events(form.end("stop"))


def pretty(text: str) -> str:
    return json.dumps(json.loads(text), indent=4)


HALVES = ('"Hel"', '"\\ud83d"', '"\\ude00 lo"')
COMMON = {
    # Ends
    "stop": Kind(lambda form: events(form.text("Hello"), form.end(form.stopped))),
    "length": Kind(lambda form: events(form.text("Hello"), form.end(form.cut_short)), LENGTH),
    "filtered after text": Kind(lambda form: events(form.text("Hello"), form.end(form.filtered)), FILTERED),
    "filtered without text": Kind(lambda form: events(form.end(form.filtered)), BLOCKED, ""),
    "filtered after reasoning": Kind(
        lambda form: events(form.thought("Hm."), form.end(form.filtered)), BLOCKED, "", "Hm."
    ),
    "a word that is not known": Kind(lambda form: events(form.text("Hello"), form.end("enough_said"))),
    "a word that is a number": Kind(lambda form: events(form.text("Hello"), form.end(7))),
    "DONE after text": Kind(after_hello("[DONE]")),
    "DONE after nothing": Kind(lambda _: events("[DONE]"), INTERRUPTED, ""),
    "DONE after reasoning": Kind(lambda form: events(form.thought("Hm."), "[DONE]"), INTERRUPTED, "", "Hm."),
    "no end": Kind(after_hello(), INTERRUPTED),
    "an empty word": Kind(lambda form: events(form.text("Hello"), form.end("")), INTERRUPTED),
    "null for a word": Kind(lambda form: events(form.text("Hello"), form.end("null")), INTERRUPTED),
    "an error for a word": Kind(lambda form: events(form.text("Hello"), form.end("error")), INTERRUPTED),
    "nothing": Kind(lambda _: b"", INTERRUPTED, ""),
    "an end without text": Kind(lambda form: events(form.end(form.stopped)), STOP, ""),
    "text after the end": Kind(
        lambda form: events(form.text("Hel"), form.end(form.stopped), form.text("lo"), form.end(form.stopped))
    ),
    "an error after the end": Kind(
        lambda form: events(form.text("Hello"), form.end(form.stopped), '{"error": {"code": 503}}', "oh")
    ),
    # Reasoning
    "reasoning, then text": Kind(
        lambda form: events(form.thought("Hm"), form.thought("."), form.text("Hello"), form.end(form.stopped)),
        reasoning="Hm.",
    ),
    "reasoning between texts": Kind(
        lambda form: events(form.text("Hel"), form.thought("Hm."), form.text("lo"), form.end(form.stopped)),
        reasoning="Hm.",
    ),
    "reasoning alone": Kind(lambda form: events(form.thought("Hm."), form.end(form.stopped)), STOP, "", "Hm."),
    "halves in reasoning and text": Kind(
        lambda form: events(
            form.thought("HERE").replace("HERE", "\\ud83d"),
            form.text("HERE").replace("HERE", "\\ude00"),
            form.end(form.stopped),
        ),
        text="\ufffd",
        reasoning="\ufffd",
    ),
    # Characters
    "halves over two chunks": Kind(
        lambda form: events(*(form.text("HERE").replace('"HERE"', half) for half in HALVES), form.end(form.stopped)),
        text="Hel😀 lo",
    ),
    "a half alone": Kind(within("a\\ud83db"), text="a\ufffdb"),
    "a second half alone": Kind(within("\\ude00b"), text="\ufffdb"),
    "a half at the end": Kind(within("Hello\\ud83d"), text="Hello\ufffd"),
    "a tab as it is": Kind(within("a\tb"), text="a\tb"),
    "broken UTF-8": Kind(
        lambda form: events(form.text("HERE"), form.end(form.stopped)).replace(b"HERE", b"a\xffb"), text="a\ufffdb"
    ),
    # What is not read
    "NaN": Kind(beside('"logprobs": [NaN, Infinity, -Infinity]')),
    "a number without end": Kind(beside('"created": 1e999, "seed": 123456789012345678901234567890')),
    "a field of another type": Kind(beside('"id": [], "object": 7, "created": "x", "modelVersion": {}')),
    "a deep field": Kind(beside(f'"extra": {DEEP}')),
    "a field twice": Kind(beside('"id": 1, "id": 2')),
    "no error": Kind(around('{"error": null}', '{"error": {}}', '{"error": ""}')),
    "null": Kind(around("null")),
    "true": Kind(around("true")),
    "a number": Kind(around("17")),
    "an empty object": Kind(around("{}")),
    "an empty list": Kind(around("[]")),
    "a list of nothing": Kind(around("[null, 3, [[]]]")),
    "a ping": Kind(around('{"type": "ping"}')),
    "a deep event": Kind(around(DEEP)),
    # Errors with status 200
    "an error object": Kind(after_hello('{"error": {"message": "x"}}'), INTERRUPTED),
    "a filter's error half way": Kind(after_hello('{"error": {"code": "content_filter", "message": "x"}}'), BLOCKED),
    "a filter's error in one word": Kind(after_hello('{"error": "content_filter"}'), BLOCKED),
    "an error with text": Kind(after_hello('{"error": {"message": "x"}, "choices": [{"delta": {}}]}'), INTERRUPTED),
    "an error in a list": Kind(after_hello('[{"error": {"code": 503, "message": "x"}}]'), INTERRUPTED),
    "an error that is a text": Kind(after_hello('{"error": "overloaded"}'), INTERRUPTED),
    "an error that is a number": Kind(after_hello('{"error": 7}'), INTERRUPTED),
    "an event named error": Kind(named_error('data: {"message": "x"}'), INTERRUPTED),
    "an event named error with text": Kind(named_error("data:oh"), INTERRUPTED),
    "an event named error without data": Kind(named_error("id: 1"), INTERRUPTED),
    "a JSON string": Kind(after_hello('"Internal server error"'), INTERRUPTED),
    "a plain string": Kind(after_hello("Internal server error"), INTERRUPTED),
    "broken JSON": Kind(after_hello('{"cand'), INTERRUPTED),
    "broken JSON that looks whole": Kind(after_hello('{"a" "rate limit"}'), INTERRUPTED),
    "a code of HTTP for the server": Kind(after_hello('{"error": {"code": 503}}'), INTERRUPTED),
    "a code of HTTP for the limit": Kind(after_hello('{"error": {"code": 429}}'), RATE_LIMITED),
    "a limit in words": Kind(after_hello('{"error": {"type": "rate_limit_error"}}'), RATE_LIMITED),
    "a limit in a string": Kind(after_hello("Rate limit reached, try again later"), RATE_LIMITED),
    "a wrong key": Kind(
        lambda _: b'{"error": {"type": "invalid_request_error", "code": "invalid_api_key"}}', WRONG_KEY, ""
    ),
    "a wrong key in words": Kind(lambda _: events('{"error": "Incorrect API key provided: k"}'), WRONG_KEY, ""),
    "a wrong request": Kind(after_hello('{"error": {"code": 404, "message": "no such model"}}'), NOT_FOUND),
    "a context too long": Kind(after_hello('{"error": {"code": "context_length_exceeded"}}'), TOO_LONG),
    # Not a stream
    "a whole body": Kind(lambda form: form.whole("Hello").encode()),
    "a whole body in lines": Kind(lambda form: pretty(form.whole("Hello")).encode()),
    "a whole body in CRLF lines": Kind(lambda form: pretty(form.whole("Hello")).replace("\n", "\r\n").encode()),
    "a whole body with a mark": Kind(lambda form: b"\xef\xbb\xbf\n " + form.whole("Hello").encode()),
    "a whole body that is cut": Kind(lambda form: form.whole("Hello").encode()[:-9], INTERRUPTED, ""),
    "an error in lines": Kind(lambda _: pretty('{"error": {"code": 429}}').encode(), RATE_LIMITED, ""),
    "a page of HTML": Kind(lambda _: b"<!DOCTYPE html>\n<p>data: sign in</p>\n", INTERRUPTED, ""),
    # Parts that are left out
    "another choice": Kind(
        lambda form: events(
            form.text("Hello"),
            form.text("Other").replace('"index": 0', '"index": 1'),
            form.end(form.cut_short).replace('"index": 0', '"index": 1'),
            form.end(form.stopped),
        )
    ),
    "a text that is none": Kind(
        lambda form: events(
            form.text("Hello"), form.text(None), form.text(3), form.text({"a": 3}), form.end(form.stopped)
        )
    ),
    "an empty text": Kind(lambda form: events(form.text(""), form.text("Hello"), form.end(form.stopped))),
}


def choice(delta: Any, **fields: Any) -> str:
    return json.dumps({"choices": [{"delta": delta} | fields]})


def openai(*data: str, **expected: Any) -> Kind:
    return Kind(lambda form: events(*data, form.end("stop"), "[DONE]"), **expected)


HELLO = choice({"content": "Hello"})
WORDS = {
    STOP: ("stop", "end_turn", "eos", "tool_calls", "function_call", "STOP", "stop_sequence"),
    LENGTH: ("length", "max_tokens", "model_length", "MAX_TOKENS"),
    FILTERED: ("content_filter", "safety", "sensitive", "refusal"),
}
OPENAI_ONLY = {
    **{
        f"finish word {word}": Kind(lambda form, word=word: events(HELLO, form.end(word)), reason)
        for reason, words in WORDS.items()
        for word in words
    },
    "a refusal": openai(choice({"refusal": "I "}), choice({"refusal": "can't."}), text="I can't.", end=FILTERED),
    "a refusal after text": openai(HELLO, choice({"refusal": ", no."}), text="Hello, no.", end=FILTERED),
    "a refusal of nothing": openai(HELLO, choice({"refusal": None}), choice({"refusal": ""})),
    "a list of parts": openai(choice({"content": [{"type": "text", "text": "Hel"}, {"text": "l"}, "o", None, 3]})),
    "a refusing part": openai(choice({"content": [{"type": "refusal", "refusal": "No."}]}), text="No.", end=FILTERED),
    "a part of reasoning": openai(
        choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}),
        choice({"content": [{"type": "reasoning", "text": "So."}]}),
        HELLO,
        reasoning="Hm.So.",
    ),
    "reasoning": openai(choice({"reasoning": "Hm."}), HELLO, reasoning="Hm."),
    "reasoning_content": openai(choice({"reasoning_content": "Hm.", "content": None}), HELLO, reasoning="Hm."),
    "both fields of reasoning": openai(choice({"reasoning": "H", "reasoning_content": "H"}), HELLO, reasoning="H"),
    "reasoning and text at once": openai(choice({"content": "Hello", "reasoning": "Hm."}), reasoning="Hm."),
    "message in place of delta": openai('{"choices": [{"message": {"content": "Hello"}}]}'),
    "message beside delta": openai(HELLO, choice({}, message={"content": "Hello"})),
    "message beside null": openai('{"choices": [{"delta": null, "message": {"content": "Hello"}}]}'),
    "no delta": openai(HELLO, choice(None), choice([]), choice("x"), choice(3), '{"choices": [{"index": 0}]}'),
    "no choices": openai(HELLO, '{"choices": null}', '{"choices": {}}', '{"choices": [null, 3]}'),
    "tool calls": openai(choice({"tool_calls": [{"function": {"name": "f"}}], "content": None}), HELLO),
    "usage that is a list": openai(HELLO, '{"usage": []}'),
    "an error of vLLM": Kind(after_hello('{"object": "error", "message": "x", "code": 401}'), WRONG_KEY),
    "an error of FastAPI": Kind(lambda _: b'{"detail": "Internal Server Error"}', INTERRUPTED, ""),
    "an error of Anthropic": Kind(after_hello('{"type": "error", "error": {"type": "overloaded_error"}}'), INTERRUPTED),
}


def parts(*parts: Any, **fields: Any) -> str:
    return json.dumps({"candidates": [{"content": {"parts": parts}} | fields]})


def gemini(*data: str, end: End = STOP, text: str = "Hello", reasoning: str = "") -> Kind:
    return Kind(lambda _: events(*data), end, text, reasoning)


SAYS_HELLO = parts({"text": "Hello"})
ENDS = '{"candidates": [{"finishReason": "STOP"}]}'
PROMPT_BLOCKED = '{"promptFeedback": {"blockReason": "SAFETY"}}'
GEMINI_ONLY = {
    **{
        f"blocked by {word}": gemini(SAYS_HELLO, f'{{"candidates": [{{"finishReason": "{word}"}}]}}', end=FILTERED)
        for word in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR")
    },
    "a blocked prompt": gemini(PROMPT_BLOCKED, end=(ModelRefused, "prompt_blocked"), text=""),
    "a prompt blocked after text": gemini(SAYS_HELLO, PROMPT_BLOCKED, ENDS),
    "a thought and a text at once": gemini(
        parts({"text": "Hm.", "thought": True}, {"text": "Hello", "thought": False}, finishReason="STOP"),
        reasoning="Hm.",
    ),
    "a reason in every chunk": gemini(
        parts({"text": "Hel"}, finishReason="STOP"), parts({"text": "lo"}, finishReason="STOP")
    ),
    "a reason not given": gemini(
        SAYS_HELLO, '{"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}', end=INTERRUPTED
    ),
    "a tool call": gemini(parts({"functionCall": {"name": "f"}}, {"text": "Hello"}), ENDS),
    "parts that are none": gemini(
        SAYS_HELLO, parts(None, 3, "x"), '{"candidates": [{"content": {"parts": 3}}, null]}', ENDS
    ),
    "candidates that are none": gemini(SAYS_HELLO, '{"candidates": null}', '{"candidates": {}}', ENDS),
    "usage that is a list": gemini(SAYS_HELLO, '{"usageMetadata": []}', ENDS),
}
