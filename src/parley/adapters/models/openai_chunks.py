"""Reading of the chunks that servers of the chat completions format send.

The values are as loose as the servers are; what cannot be understood is left out.
"""

from collections.abc import Iterator
from typing import Any

from parley.adapters.models.answer import Answer
from parley.core.chat.language_model import ModelEvent


def read_chunk(answer: Answer, chunk: dict[str, Any]) -> Iterator[ModelEvent]:
    """Report one chunk, or the whole answer if the server did not stream, to `answer`."""
    # Groq has its counts in a field of its own, Moonshot in the choice.
    _count(answer, chunk.get("usage") or _object(chunk.get("x_groq")).get("usage"))
    choices = chunk.get("choices")
    for choice in map(_object, choices if isinstance(choices, list) else ()):
        if choice.get("index") in (None, 0, "0"):
            _count(answer, choice.get("usage"))
            # The last chunk of some servers repeats the whole message beside an empty delta.
            yield from _read_delta(answer, _object(choice.get("delta", choice.get("message"))))
            answer.end(choice.get("finish_reason"))


def _read_delta(answer: Answer, delta: dict[str, Any]) -> Iterator[ModelEvent]:
    # Servers that send both fields send the same text in both.
    for text in _texts(delta.get("reasoning_content") or delta.get("reasoning")):
        yield from answer.reasoning(text)
    content = delta.get("content")
    if isinstance(content, list):
        for part in content:
            yield from _read_part(answer, part)
    else:
        yield from answer.text(content)
    yield from answer.text(delta.get("refusal"), refusal=True)


def _read_part(answer: Answer, part: object) -> Iterator[ModelEvent]:
    if not isinstance(part, dict):
        yield from answer.text(part)
    elif part.get("type") in ("thinking", "reasoning"):  # Mistral's
        for text in _texts(part.get("thinking") or part.get("reasoning") or part.get("text")):
            yield from answer.reasoning(text)
    else:
        yield from answer.text(part.get("text"))
        yield from answer.text(part.get("refusal"), refusal=True)


def _texts(value: object) -> Iterator[object]:
    """A text, or the texts of a list of parts."""
    for part in value if isinstance(value, list) else [value]:
        yield part.get("text") if isinstance(part, dict) else part


def _count(answer: Answer, usage: object) -> None:
    counts = _object(usage)
    cached = _object(counts.get("prompt_tokens_details")).get("cached_tokens")
    answer.count(
        read=counts.get("prompt_tokens"),
        written=counts.get("completion_tokens"),
        cached=counts.get("prompt_cache_hit_tokens") if cached is None else cached,  # DeepSeek's
        reasoned=_object(counts.get("completion_tokens_details")).get("reasoning_tokens"),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
