"""The part of a branch that is sent to a model, the same for every provider."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from parley.core.chat.alternation import alternating
from parley.core.chat.model import Claim, Conversation, Exchange, Role, Status
from parley.core.chat.model_options import ModelOptions
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.stores import ChatUnit
from parley.core.text import is_readable

PAGE = 50


@dataclass(frozen=True, slots=True)
class History:
    """What a model may be sent: the message to be answered, and the exchanges before it, newest first."""

    instructions: str | None
    question: str
    exchanges: tuple[Exchange, ...]
    options: ModelOptions = ModelOptions()  # noqa: RUF009  immutable

    @property
    def conversation(self) -> Conversation:
        return build_conversation(self)

    def newer_half(self) -> Self | None:
        """The same with the newer half of the exchanges, for a model that cannot read them all; None without any."""
        return replace(self, exchanges=self.exchanges[: len(self.exchanges) // 2]) if self.exchanges else None


@dataclass(frozen=True, slots=True)
class GivenHistory:
    """A conversation that the client gave: nothing of it is left out."""

    conversation: Conversation

    def newer_half(self) -> Self | None:
        return None


async def read_history(unit: ChatUnit, claim: Claim, *, characters: int) -> History | GivenHistory | None:
    """The history of a claimed reply with its newest exchanges of up to `characters` in all, cut by `newest_within`.

    None if the reply was deleted.
    """
    if claim.prompt is not None:
        return GivenHistory(claim.prompt)
    page = await unit.messages.exchanges(claim.room_id, last=claim.position, limit=PAGE)
    if not page or page[0].question is None:
        return None
    question, exchanges = page[0].question, page[1:]
    left = characters - len(question)
    while len(page) == PAGE and len(newest_within(exchanges, left)) == sum(map(is_sent, exchanges)):
        page = await unit.messages.exchanges(claim.room_id, last=page[-1].position, limit=PAGE)
        exchanges += page[1:]
    own = claim.settings or ReplySettings()
    instructions = "\n\n".join(filter(None, (own.instructions, claim.instructions))) or None
    return History(instructions, question, newest_within(exchanges, left), own.options)


def newest_within(exchanges: Sequence[Exchange], characters: int) -> tuple[Exchange, ...]:
    """The exchanges that a model is sent, newest first, up to one that as a whole exceeds `characters`."""
    chosen = []
    for exchange in filter(is_sent, exchanges):
        characters -= len(exchange.question or "") + len(exchange.answer or "")
        if characters < 0:
            break
        chosen.append(exchange)
    return tuple(chosen)


def is_sent(exchange: Exchange) -> bool:
    """Whether models are sent the exchange. A failed one is left out whole, as its question may be what failed."""
    said = exchange.answer if exchange.question is None else exchange.question
    return exchange.status is not Status.FAILED and is_readable(said or "")


def build_conversation(history: History) -> Conversation:
    """Turns that end with the message to be answered.

    A question without a readable answer, such as one that was stopped before any text, is joined with the next one.
    """
    said: list[tuple[Role, str]] = []
    for exchange in reversed(history.exchanges):
        if exchange.question is not None:
            said.append((Role.USER, exchange.question))
        if exchange.answer is not None and is_readable(exchange.answer):
            said.append((Role.ASSISTANT, exchange.answer))
    return Conversation(history.instructions, alternating([*said, (Role.USER, history.question)]), history.options)
