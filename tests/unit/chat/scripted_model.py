"""A language model that follows a test's script."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from parley.core.chat.language_model import Finished, ModelEvent, Reasoning, SignOfLife, Text
from parley.core.chat.model import Conversation, FinishReason
from parley.core.chat.tokens import TokenUsage

USAGE = TokenUsage(11, 7)


@dataclass(frozen=True)
class Pause:
    """Silence of `seconds`."""

    seconds: float


class Gate:
    """Stops the model until the test opens it."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()

    async def reached(self) -> None:
        """Returns once the model waits here, and what it wrote before has been read."""
        await self._reached.wait()

    def open(self) -> None:
        self._opened.set()

    async def pass_through(self) -> None:
        self._reached.set()
        await self._opened.wait()


class BreakOff:
    """The answer ends here, without Finished."""


Step = str | ModelEvent | Pause | Gate | BreakOff | Exception


class ScriptedModel:
    """Follows one script per attempt, and the last script in all later attempts.

    A script consists of text to write, other events, pauses and gates to wait at, and exceptions to raise; Finished is
    added.
    """

    def __init__(self) -> None:
        self.scripts: list[tuple[Step, ...]] = []
        self.usage: TokenUsage | None = USAGE
        self.reason = FinishReason.STOP
        self.asked: list[Conversation] = []
        self.models: list[str] = []
        # For each attempt, the task that began it and the one that closed it.
        self.opened_by: list[asyncio.Task[object] | None] = []
        self.closed_by: list[asyncio.Task[object] | None] = []

    def will(self, *steps: Step) -> None:
        """Add the script of the next attempt that has none."""
        self.scripts.append(steps)

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        self.models.append(model)
        self.asked.append(conversation)
        self.opened_by.append(asyncio.current_task())
        steps = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            for step in steps:
                match step:
                    case str():
                        yield Text(step)
                    case Text() | Reasoning() | SignOfLife() | Finished():
                        yield step
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case Gate():
                        await step.pass_through()
                    case BreakOff():
                        return
                    case _:
                        raise step
            yield Finished(self.usage, self.reason)
        finally:
            self.closed_by.append(asyncio.current_task())

    async def close(self) -> None:
        """Nothing to close."""
