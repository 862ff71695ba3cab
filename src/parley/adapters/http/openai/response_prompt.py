"""A responses request as a conversation or as one message, and what of it is not supported."""

from dataclasses import dataclass, replace
from typing import Any

from parley.adapters.http.openai.prompt import INSTRUCTING, ROLES
from parley.adapters.http.openai.response_bodies import InputItem, ResponseRequest
from parley.core.chat.alternation import alternating
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.model import Conversation, Role
from parley.core.chat.model_options import ModelOptions
from parley.core.chat.reply_settings import ReplySettings
from parley.core.errors import InvalidInput
from parley.core.text import is_readable

# Values that ask for nothing; any other value of these fields would change the answer.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "prompt": (),
    "text": ({}, {"format": {"type": "text"}}),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "top_logprobs": (0,),
    "truncation": ("disabled",),
}
_TEXTS = frozenset({"input_text", "output_text", "text"})
_UNREADABLE = "must have a letter, number, punctuation mark or symbol"


@dataclass(frozen=True, slots=True)
class Question:
    """The message of a stored response and those `before` it, the `instructions` among its input, and its settings."""

    content: str
    before: list[GivenMessage]
    instructions: str | None
    settings: ReplySettings

    @property
    def settings_with_instructions(self) -> ReplySettings:
        """For a message in a room that exists, whose own instructions stay as they are."""
        joined = "\n\n".join(filter(None, (self.settings.instructions, self.instructions)))
        return replace(self.settings, instructions=joined or None)


def read_prompt(request: ResponseRequest) -> Conversation:
    """What a response answers that is not stored. Raises InvalidInput that names the first unsupported field."""
    _check(request)
    for name in ("background", "previous_response_id", "conversation"):
        if getattr(request, name):
            raise InvalidInput(name, "is supported only for what is stored")
    said = _said(request.input)
    if not any(is_readable(text) for _, text in said):
        raise InvalidInput("input", _UNREADABLE)
    turns = alternating([(ROLES[role], text) for role, text in said if role in ROLES and is_readable(text)])
    return Conversation(_instructions([("system", request.instructions or ""), *said]), turns, _options(request))


def read_question(request: ResponseRequest) -> Question:
    """What a stored response answers. Raises InvalidInput that names the first unsupported field."""
    _check(request)
    if request.previous_response_id is not None and request.conversation is not None:
        raise InvalidInput("previous_response_id", "is not supported together with conversation")
    said = _said(request.input)
    given = [GivenMessage(ROLES[role], text) for role, text in said if role in ROLES and is_readable(text)]
    if not given:
        raise InvalidInput("input", _UNREADABLE)
    *before, last = given
    if last.role is not Role.USER:
        raise InvalidInput("input", "must end with a message of the user")
    return Question(last.content, before, _instructions(said), settings_of(request))


def settings_of(request: ResponseRequest) -> ReplySettings:
    metadata = tuple((request.metadata or {}).items())
    return ReplySettings(request.instructions or None, _options(request), metadata, bool(request.background))


def _check(request: ResponseRequest) -> None:
    for name, harmless in _HARMLESS.items():
        value = getattr(request, name)
        if name == "text" and isinstance(value, dict):
            # Its verbosity is a wish.
            value = {field: value[field] for field in value if field == "format"}
        if value is not None and value not in harmless:
            raise InvalidInput(name, "is not supported here")


def _options(request: ResponseRequest) -> ModelOptions:
    return ModelOptions(request.temperature, request.top_p, request.max_output_tokens, (), None)


def _instructions(said: list[tuple[str, str]]) -> str | None:
    return "\n\n".join(text for role, text in said if role in INSTRUCTING and is_readable(text)) or None


def _said(given: str | list[InputItem]) -> list[tuple[str, str]]:
    if isinstance(given, str):
        return [("user", given)]
    return [read_message(item, f"input[{index}]") for index, item in enumerate(given) if item.type != "reasoning"]


def read_message(item: InputItem, path: str) -> tuple[str, str]:
    """The role and the text. Raises InvalidInput that names the wrong field behind `path`."""
    if item.type not in (None, "message"):
        raise InvalidInput(f"{path}.type", f"{item.type!r} is not supported here")
    if item.role not in ROLES and item.role not in INSTRUCTING:
        raise InvalidInput(f"{path}.role", "must be system, developer, user or assistant")
    if item.content is None:
        raise InvalidInput(f"{path}.content", "is required")
    if isinstance(item.content, str):
        return str(item.role), item.content
    for index, part in enumerate(item.content):
        if part.type not in _TEXTS or part.text is None:
            raise InvalidInput(f"{path}.content[{index}].type", f"{part.type!r} is not supported here: only text is")
    return str(item.role), "\n\n".join(part.text or "" for part in item.content)
