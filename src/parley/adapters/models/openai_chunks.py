"""Reading of the chunks that servers of the chat completions format send.

The values are as loose as the servers are; what cannot be understood is left out.
"""

from collections.abc import Iterable
from typing import Any

from parley.adapters.models.answer import Answer, as_object


def read_chunk(answer: Answer, chunk: dict[str, Any]) -> None:
    """Report one chunk, or the whole answer if the server did not stream, to `answer`."""
    _count(answer, chunk.get("usage"))
    _count(answer, as_object(chunk.get("x_groq")).get("usage"))
    choices = chunk.get("choices")
    for choice in map(as_object, choices if isinstance(choices, list) else ()):
        if choice.get("index") in (None, 0, "0"):
            # The last chunk of some servers repeats the whole message beside an empty delta.
            delta = choice.get("delta")
            _read_delta(answer, as_object(choice.get("message") if delta is None else delta))
            answer.end(choice.get("finish_reason"))
            _count(answer, choice.get("usage"))  # Moonshot's


def _read_delta(answer: Answer, delta: dict[str, Any]) -> None:
    # Servers that send both fields send the same text in both.
    for text in _texts(delta.get("reasoning_content") or delta.get("reasoning")):
        answer.reasoning(text)
    content = delta.get("content")
    if isinstance(content, list):
        for part in content:
            _read_part(answer, part)
    else:
        answer.text(content)
    answer.text(delta.get("refusal"), refusal=True)


def _read_part(answer: Answer, part: object) -> None:
    if not isinstance(part, dict):
        answer.text(part)
    elif part.get("type") in ("thinking", "reasoning"):  # Mistral's
        for text in _texts(part.get("thinking") or part.get("reasoning") or part.get("text")):
            answer.reasoning(text)
    else:
        answer.text(part.get("text"))
        answer.text(part.get("refusal"), refusal=True)


def _texts(value: object) -> Iterable[object]:
    """A text, or the texts of a list of parts."""
    if isinstance(value, list):
        return [part.get("text") if isinstance(part, dict) else part for part in value]
    return (value,)


def _count(answer: Answer, usage: object) -> None:
    if not isinstance(usage, dict):
        return
    cached = as_object(usage.get("prompt_tokens_details")).get("cached_tokens")
    answer.count(
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        usage.get("prompt_cache_hit_tokens") if cached is None else cached,  # DeepSeek's
        as_object(usage.get("completion_tokens_details")).get("reasoning_tokens"),
    )
