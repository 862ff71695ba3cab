""".env.example, which is also the reference of all settings."""

import re
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec

from parley.settings import Settings, read_settings

FIELDS = {field.name: field.default for field in msgspec.structs.fields(Settings)}


def example() -> list[tuple[str, str, str]]:
    """The settings in .env.example: the comment above each, its name, its value."""
    text = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"^# (.+)\n(?:# )?([A-Z_]+)=(.*)$", text, re.MULTILINE)


def as_text(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(int(default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_example_lists_every_setting_once_in_order_with_its_default():
    assert [(name, value) for _, name, value in example()] == [
        (name.upper(), as_text(default)) for name, default in FIELDS.items()
    ]


def test_example_describes_each_setting_as_the_code_does():
    comments = {name: comment for comment, name, _ in example()}
    hints = get_type_hints(Settings, include_extras=True)
    for name, hint in hints.items():
        assert get_origin(hint) is Annotated
        description = next(extra.description for extra in get_args(hint)[1:] if getattr(extra, "description", None))
        assert comments[name.upper()].startswith(description)


def test_example_is_a_valid_env_file():
    assert read_settings({}, dotenv=Path(__file__).parents[3] / ".env.example") == Settings()
