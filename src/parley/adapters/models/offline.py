"""A model that needs no key and no network: for trying parley out, and for its tests."""

import asyncio
import re
from collections.abc import AsyncGenerator

from parley.core.chat.model import Conversation, Finished, TokenUsage

MODEL = "echo"
PIECES = 200

_WORD = re.compile(r"\S+\s*")


class OfflineModel:
    """Repeats the last user's turn, word by word, with `delay` seconds between two pieces.

    An answer comes in at most PIECES pieces, however long it is, and its usage counts words. Never fails.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[str | Finished, None]:  # noqa: ARG002 - the port's
        words = _WORD.findall(f"You said: {conversation.turns[-1].content}")
        step = -(-len(words) // PIECES)
        for start in range(0, len(words), step):
            # A delay of 0 still lets others run: a long answer must not hold the event loop.
            await asyncio.sleep(self._delay if start else 0)
            yield "".join(words[start : start + step])
        yield Finished(TokenUsage(_words_read(conversation), len(words)))

    async def close(self) -> None:
        """There is nothing to give up."""


def _words_read(conversation: Conversation) -> int:
    texts = [conversation.instructions or "", *(turn.content for turn in conversation.turns)]
    return sum(len(text.split()) for text in texts)
