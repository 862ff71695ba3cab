"""What one request to a model has spent, whether its provider counted or not."""

from collections.abc import Iterable
from dataclasses import replace

from parley.core.chat import ChatPorts
from parley.core.chat.model import Conversation
from parley.core.chat.parts import Part
from parley.core.chat.tokens import Spent, TokenUsage


async def spent_on(
    chat: ChatPorts, model: str, usage: TokenUsage | None, *, asked: Conversation | None, written: Iterable[Part]
) -> Spent:
    """The provider's counts with their cost. What it did not count is estimated of what it was asked and has written.

    `asked` is None for a model that did not begin to answer: nothing says that its provider did anything.
    """
    estimates, read, wrote = chat.estimates, 0, 0
    if asked is not None and (usage is None or usage.input_tokens is None):
        read = estimates.of(asked.instructions, *(turn.content for turn in asked.turns))
    if usage is None or usage.output_tokens is None:
        wrote = estimates.of(*(part.text for part in written))
    spent = Spent.of(usage, asked=read, written=wrote)
    cached = 0 if usage is None else usage.cached_input_tokens or 0
    return replace(spent, cost=await chat.prices.cost(model, spent, cached=cached))
