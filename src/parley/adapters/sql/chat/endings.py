"""How a reply ended, as its row has it."""

from typing import Any

from parley.adapters.sql.chat.parts import encode_parts
from parley.adapters.sql.engine.statements import given
from parley.core.chat.model import Ending

ENDING = given(
    "status",
    "content",
    "parts",
    "completed_at",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "error_code",
    "error_detail",
)


def ending_values(ending: Ending) -> dict[str, Any]:
    return {
        "status": ending.status.value,
        "content": ending.content,
        "parts": encode_parts(ending.parts),
        "completed_at": ending.at,
        "finish_reason": ending.finish_reason and ending.finish_reason.value,
        "input_tokens": ending.usage and ending.usage.input_tokens,
        "output_tokens": ending.usage and ending.usage.output_tokens,
        "cached_input_tokens": ending.usage and ending.usage.cached_input_tokens,
        "reasoning_tokens": ending.usage and ending.usage.reasoning_tokens,
        "error_code": ending.error and ending.error.code,
        "error_detail": ending.error and ending.error.detail,
    }
