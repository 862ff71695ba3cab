"""A responses request as a conversation for a model, and what of it is not supported."""

from typing import Any

from parley.adapters.http.openai.prompt import INSTRUCTING, ROLES
from parley.adapters.http.openai.response_bodies import InputItem, ResponseRequest
from parley.core.chat.alternation import alternating
from parley.core.chat.model import Conversation
from parley.core.chat.model_options import ModelOptions
from parley.core.errors import InvalidInput
from parley.core.text import is_readable

# Values that ask for nothing; any other value of these fields would change the answer.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "background": (False,),
    "conversation": (),
    "previous_response_id": (),
    "prompt": (),
    "text": ({}, {"format": {"type": "text"}}),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "top_logprobs": (0,),
    "truncation": ("disabled",),
}
_TEXTS = frozenset({"input_text", "output_text", "text"})


def read_input(request: ResponseRequest) -> Conversation:
    """The conversation with its options. Raises InvalidInput that names the first field that is not supported."""
    for name, harmless in _HARMLESS.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            raise InvalidInput(name, "is not supported here")
    if request.store is not False:
        raise InvalidInput("store", "must be false: responses are not stored here")
    said = _said(request.input)
    if not any(is_readable(text) for _, text in said):
        raise InvalidInput("input", "must have a letter, number, punctuation mark or symbol")
    instructions = [text for role, text in [("system", request.instructions or ""), *said] if role in INSTRUCTING]
    turns = alternating([(ROLES[role], text) for role, text in said if role in ROLES and is_readable(text)])
    options = ModelOptions(request.temperature, request.top_p, request.max_output_tokens, (), None)
    return Conversation("\n\n".join(filter(is_readable, instructions)) or None, turns, options)


def _said(given: str | list[InputItem]) -> list[tuple[str, str]]:
    if isinstance(given, str):
        return [("user", given)]
    return [_message(item, f"input[{index}]") for index, item in enumerate(given) if item.type != "reasoning"]


def _message(item: InputItem, path: str) -> tuple[str, str]:
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
