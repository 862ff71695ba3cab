"""A language model that does what a test tells it to."""

import asyncio
from collections.abc import AsyncGenerator

from parley.core.chat.language_model import Finished, ModelEvent, Reasoning, Text
from parley.core.chat.model import Conversation, Role
from parley.core.chat.model_options import ModelOptions
from parley.core.chat.tokens import TokenUsage

PATIENCE_SECONDS = 30.0


class Gate:
    """A place in an answer where the model waits until the test opens it."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()

    async def reached(self) -> None:
        """Returns once the model stands here: what it wrote before has been taken."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._reached.wait()

    @property
    def was_reached(self) -> bool:
        return self._reached.is_set()

    def open(self) -> None:
        self._opened.set()

    async def pass_through(self) -> None:
        self._reached.set()
        await self._opened.wait()


Step = str | Reasoning | Gate | Exception


class ScriptedModel:
    """Repeats what it is asked, word by word, unless `on` gave it other steps for that question.

    A piece of text is written, a gate waited at, an exception raised. `asked` is every conversation it was given, as
    (role, content) pairs. It counts tokens if it `counts`.
    """

    def __init__(self) -> None:
        self._scripts: dict[str, list[tuple[Step, ...]]] = {}
        self.asked: list[list[tuple[str, str]]] = []
        self.models: list[str] = []
        self.counts = True
        self.instructions: list[str | None] = []
        self.options: list[ModelOptions] = []

    def on(self, question: str, *steps: Step) -> None:
        """The steps of the next attempt at this question; those of the last attempt stay for all later ones."""
        self._scripts.setdefault(question, []).append(steps)

    def times_asked(self, question: str) -> int:
        return [turns[-1][1] for turns in self.asked].count(question)

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        question = conversation.turns[-1]
        assert question.role is Role.USER
        self.asked.append([(turn.role.value, turn.content) for turn in conversation.turns])
        self.models.append(model)
        self.instructions.append(conversation.instructions)
        self.options.append(conversation.options)
        for step in self._steps(question.content):
            if isinstance(step, Gate):
                await step.pass_through()
            elif isinstance(step, Exception):
                raise step
            else:
                yield step if isinstance(step, Reasoning) else Text(step)
        yield Finished(TokenUsage(len(conversation.turns), 7) if self.counts else None)

    def _steps(self, question: str) -> tuple[Step, ...]:
        attempts = self._scripts.get(question)
        if attempts is None:
            return ("You said: ", *question.split(" "))
        return attempts.pop(0) if len(attempts) > 1 else attempts[0]

    async def close(self) -> None:
        """There is nothing to give up."""
