"""Checks of text from clients and models."""

from parley.core.errors import InvalidInput


def check_text(field: str, value: str, *, longest: int, shortest: int = 1) -> None:
    """Raises InvalidInput unless `value` has `shortest` to `longest` characters, all of them storable."""
    if not shortest <= len(value) <= longest:
        raise InvalidInput(field, f"must have {shortest} to {longest:,} characters")
    if not storable(value):
        raise InvalidInput(field, "must not hold NUL characters or unpaired surrogates")


def storable(value: str) -> bool:
    """Whether PostgreSQL can store it: NUL is refused, and UTF-8 cannot encode unpaired surrogates."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def make_storable(value: str) -> str:
    """The text with unstorable characters removed or replaced: text of a model cannot be refused."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
