"""How a prompt is stored: as JSON, since it is only ever read whole."""

import json
from dataclasses import asdict

from parley.core.chat.model import Conversation, Role, Turn
from parley.core.chat.model_options import ModelOptions


def encode_prompt(prompt: Conversation) -> str:
    options = {name: value for name, value in asdict(prompt.options).items() if value not in (None, ())}
    turns = [[turn.role.value, turn.content] for turn in prompt.turns]
    return json.dumps({"instructions": prompt.instructions, "turns": turns, "options": options}, ensure_ascii=False)


def decode_prompt(stored: str) -> Conversation:
    prompt = json.loads(stored)
    options = prompt["options"]
    return Conversation(
        prompt["instructions"],
        tuple(Turn(Role(role), content) for role, content in prompt["turns"]),
        ModelOptions(**options | {"stop": tuple(options.get("stop", ()))}),
    )
