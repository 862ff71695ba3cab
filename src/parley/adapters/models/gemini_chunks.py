"""Reading of the chunks that the Gemini API sends.

Not by the SDK's types: one field that they do not know, or that is not as they say, fails the whole answer.
"""

from typing import Any

from parley.adapters.models.answer import Answer, as_object
from parley.core.chat.errors import ModelRefused


def read_chunk(answer: Answer, chunk: dict[str, Any]) -> None:
    """Report one chunk to `answer`. Raises ModelRefused if the prompt was blocked."""
    _count(answer, as_object(chunk.get("usageMetadata")))
    candidates = chunk.get("candidates")
    for candidate in map(as_object, candidates if isinstance(candidates, list) else ()):
        if candidate.get("index") in (None, 0):
            parts = as_object(candidate.get("content")).get("parts")
            for part in map(as_object, parts if isinstance(parts, list) else ()):
                report = answer.reasoning if part.get("thought") else answer.text
                report(part.get("text"))
            answer.end(candidate.get("finishReason"))
    if as_object(chunk.get("promptFeedback")).get("blockReason") and not answer.has_text:
        raise ModelRefused("prompt_blocked", "gemini blocked this prompt.")


def _count(answer: Answer, counts: dict[str, Any]) -> None:
    """Thoughts are output: they are billed so, and OpenAI's count has them in it too."""
    texts, thoughts = counts.get("candidatesTokenCount"), counts.get("thoughtsTokenCount")
    written = [count for count in (texts, thoughts) if isinstance(count, int)]
    cached = counts.get("cachedContentTokenCount")
    answer.count(counts.get("promptTokenCount"), sum(written) if written else None, cached, thoughts)
