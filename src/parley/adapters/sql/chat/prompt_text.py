"""How a prompt is stored: as JSON, since it is only ever read whole."""

import json
from dataclasses import asdict
from typing import Any

from parley.core.chat.model import Conversation, Role, Turn
from parley.core.chat.model_options import ModelOptions


def encode_prompt(prompt: Conversation) -> str:
    options = encode_options(prompt.options)
    turns = [[turn.role.value, turn.content] for turn in prompt.turns]
    return json.dumps({"instructions": prompt.instructions, "turns": turns, "options": options}, ensure_ascii=False)


def decode_prompt(stored: str) -> Conversation:
    prompt = json.loads(stored)
    return Conversation(
        prompt["instructions"],
        tuple(Turn(Role(role), content) for role, content in prompt["turns"]),
        decode_options(prompt["options"]),
    )


def encode_options(options: ModelOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if value not in (None, ())}


def decode_options(stored: dict[str, Any]) -> ModelOptions:
    return ModelOptions(**stored | {"stop": tuple(stored.get("stop", ()))})
