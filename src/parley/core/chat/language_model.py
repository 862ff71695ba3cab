"""The port of the language models, and the events of which an answer consists."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from parley.core.chat.model import Conversation, FinishReason
from parley.core.chat.tokens import TokenUsage


@dataclass(frozen=True, slots=True)
class Text:
    """A part of the answer, never empty. A refusal in words is text too."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A part of what the model thinks before or while it answers, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """The provider sent something that is neither text nor reasoning, for example a keep-alive comment.

    `usage` is what the attempt has cost by now, if the provider counts on the way. The last one that is not None
    counts for an attempt that is stopped or fails.
    """

    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The model ended its answer. `usage` is None if the provider counted nothing."""

    usage: TokenUsage | None
    reason: FinishReason = FinishReason.STOP


ModelEvent = Text | Reasoning | SignOfLife | Finished


class LanguageModel(Protocol):
    def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        """Stream an answer: its events in the order in which they arrive, then exactly one Finished, always the last.

        `model` is the provider's own name for it. An answer without any Text is possible; what that means is for the
        caller to decide. Raises ModelUnavailable, ModelRefused or ContextTooLong, also after some events. Sets no
        deadlines: the caller does. Closing the generator ends the request.
        """

    async def check(self, models: Sequence[str]) -> str:
        """Ask the provider for its models and return one sentence about the answer, for the operator.

        Raises ModelFailed, whose `cause` tells the operator why, if the provider does not answer, refuses the key, or
        lists its models without one of `models`.
        """

    async def close(self) -> None:
        """Close the connections, once no reply is under way. A later reply opens new ones."""
