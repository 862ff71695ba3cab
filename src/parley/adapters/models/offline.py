"""Models that need no key and no network: for trying parley out, and for its tests."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from parley.core.chat.language_model import Finished, ModelEvent, Reasoning, Text
from parley.core.chat.model import Conversation, FinishReason
from parley.core.chat.tokens import TokenUsage

ECHO = "echo"
THINK = "think"
MOST_CHUNKS = 200

_WORD = re.compile(r"\S+\s*")
_THOUGHTS = _WORD.findall("The user wrote to me. I will repeat what was said.")


class OfflineModel:
    """Repeats the last user's turn, word by word, with `delay` seconds between two chunks. Never fails.

    An answer comes in at most MOST_CHUNKS chunks, however long it is, and its usage counts words. THINK sends
    some words of reasoning first. Of the options it takes `max_tokens`, of which each word is one, and `stop`.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        thoughts = _THOUGHTS if model == THINK else []
        for thought in thoughts:
            yield Reasoning(thought)
            await asyncio.sleep(self._delay)
        words, reason = _answer(conversation)
        step = -(-len(words) // MOST_CHUNKS) or 1
        for start in range(0, len(words), step):
            # A delay of 0 still lets others run: a long answer must not hold the event loop.
            await asyncio.sleep(self._delay if start else 0)
            yield Text("".join(words[start : start + step]))
        written = len(thoughts) + len(words)
        yield Finished(TokenUsage(_words_read(conversation), written, 0, len(thoughts)), reason)

    async def check(self, models: Sequence[str]) -> str:  # noqa: ARG002 - the port's
        return "The offline model needs no connection."

    async def close(self) -> None:
        """There is nothing to close."""


def _answer(conversation: Conversation) -> tuple[list[str], FinishReason]:
    """The words of the answer, and why it ends."""
    options, text = conversation.options, f"You said: {conversation.turns[-1].content}"
    text = text[: min((text.index(stop) for stop in options.stop if stop in text), default=len(text))]
    words = _WORD.findall(text)
    if options.max_tokens is not None and len(words) > options.max_tokens:
        return words[: options.max_tokens], FinishReason.LENGTH
    return words, FinishReason.STOP


def _words_read(conversation: Conversation) -> int:
    texts = [conversation.instructions or "", *(turn.content for turn in conversation.turns)]
    return sum(len(text.split()) for text in texts)
