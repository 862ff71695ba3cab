"""A chat completions request as a conversation for a model, and what of it is not supported."""

from typing import Any

from parley.adapters.http.openai.completion_bodies import CompletionRequest, PromptMessage
from parley.core.chat.alternation import alternating
from parley.core.chat.model import Conversation, Role
from parley.core.chat.model_options import ModelOptions
from parley.core.errors import InvalidInput
from parley.core.text import is_readable

# Values that ask for nothing; any other value of these fields would change the answer.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "store": (False,),
}
INSTRUCTING = frozenset({"system", "developer"})
ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT}


def read_prompt(request: CompletionRequest) -> Conversation:
    """The conversation with its options. Raises InvalidInput that names the first field that is not supported."""
    for name, harmless in _HARMLESS.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            raise InvalidInput(name, "is not supported here")
    texts = [(message.role, _text(message, f"messages[{index}]")) for index, message in enumerate(request.messages)]
    if not any(is_readable(text) for _, text in texts):
        raise InvalidInput("messages", "must have a letter, number, punctuation mark or symbol")
    instructions = [text for role, text in texts if role in INSTRUCTING and is_readable(text)]
    turns = alternating([(ROLES[role], text) for role, text in texts if role in ROLES and is_readable(text)])
    return Conversation("\n\n".join(instructions) or None, turns, _options(request))


def _text(message: PromptMessage, path: str) -> str:
    if message.role not in ROLES and message.role not in INSTRUCTING:
        raise InvalidInput(f"{path}.role", f"{message.role!r} is not supported here")
    for name in ("tool_calls", "function_call", "audio"):
        if getattr(message, name):
            raise InvalidInput(f"{path}.{name}", "is not supported here")
    if message.content is None and message.role != "assistant":
        raise InvalidInput(f"{path}.content", "is required")
    if not isinstance(message.content, list):
        return message.content or ""
    for index, part in enumerate(message.content):
        if part.type not in ("text", "refusal") or part.text is None:
            raise InvalidInput(f"{path}.content[{index}].type", f"{part.type!r} is not supported here: only text is")
    return "\n\n".join(part.text or "" for part in message.content)


def _options(request: CompletionRequest) -> ModelOptions:
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    most = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    return ModelOptions(request.temperature, request.top_p, most, tuple(stop), request.seed)
