"""How the parts of a message are stored: their order beside the content, so that no text is stored twice.

The column holds a JSON list: `{"type": "reasoning", "text": …}` for reasoning, and `{"type": "text", "characters": n}`
for the next n characters of the content. It is null where the content is the only part.
"""

import json
from collections.abc import Iterator
from typing import Any

from parley.core.chat.parts import Part, PartKind


def encode_parts(parts: tuple[Part, ...]) -> str | None:
    if all(part.kind is PartKind.TEXT for part in parts):
        return None
    return json.dumps([_encode(part) for part in parts], ensure_ascii=False)


def decode_parts(content: str, stored: str | None) -> tuple[Part, ...]:
    """Empty where nothing is stored."""
    return () if stored is None else tuple(_decode(content, json.loads(stored)))


def _encode(part: Part) -> dict[str, Any]:
    if part.kind is PartKind.TEXT:
        return {"type": part.kind.value, "characters": len(part.text)}
    return {"type": part.kind.value, "text": part.text}


def _decode(content: str, stored: list[dict[str, Any]]) -> Iterator[Part]:
    start = 0
    for part in stored:
        kind = PartKind(part["type"])
        if kind is PartKind.TEXT:
            end = start + part["characters"]
            yield Part(kind, content[start:end])
            start = end
        else:
            yield Part(kind, part["text"])
