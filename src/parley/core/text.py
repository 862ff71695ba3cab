"""Checks of text from clients and models, and typed text as people paste it."""

import unicodedata
from itertools import takewhile

from parley.core.errors import InvalidInput

# The full-width forms of ASCII characters, which East Asian keyboards write, and their space.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def typed(text: str) -> str:
    """An identity as it was meant: without invisible characters, full-width ones in ASCII, no white space around it.

    Copied numbers and addresses contain directional marks, zero-width characters and byte order marks.
    """
    if not text.isascii():
        text = "".join(
            character for character in text.translate(_FULL_WIDTH) if unicodedata.category(character) != "Cf"
        )
    return text.strip()


def typed_code(text: str) -> str:
    """A one-time code as it was meant: also without white space and hyphens inside it."""
    return "".join(typed(text).replace("-", "").split())


# The combining class of the marks that join two consonants in the scripts of India.
_VIRAMA = 9
# Letters and a symbol by their category, but invisible: Hangul fillers and the empty Braille pattern.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def check_text(field: str, value: str, *, longest: int, shortest: int = 1) -> None:
    """Raises InvalidInput unless `value` has `shortest` to `longest` characters, all of them storable."""
    if not shortest <= len(value) <= longest:
        raise InvalidInput(field, f"must have {shortest} to {longest:,} characters")
    if not storable(value):
        raise InvalidInput(field, "must not hold NUL characters or unpaired surrogates")


def is_readable(value: str) -> bool:
    """Whether it has a letter, number, punctuation mark or symbol, by Unicode's categories L, N, P and S."""
    return any(unicodedata.category(character)[0] in "LNPS" and character not in _INVISIBLE for character in value)


# Longer clusters than those that languages and emoji have are cut.
_LONGEST_CLUSTER = 32


def beginning(text: str, most: int) -> str:
    """The first `most` characters, or some fewer: what a reader sees as one character is not cut in two.

    A close approximation of the grapheme clusters of Unicode Standard Annex 29, whose tables Python does not have.
    """
    if len(text) <= most:
        return text
    shortest = max(1, most - _LONGEST_CLUSTER)
    ends = (end for end in range(most, shortest - 1, -1) if not _is_inside_cluster(text, end))
    return text[: next(ends, most)]


def _is_inside_cluster(text: str, position: int) -> bool:
    before, after = text[position - 1], text[position]
    if _is_regional(before) and _is_regional(after):
        # Two make a flag: an odd number before the position is a flag that is cut.
        return sum(1 for _ in takewhile(_is_regional, reversed(text[:position]))) % 2 == 1
    # A virama joins two consonants, a zero-width joiner two emoji.
    joins = before == "\u200d" or (unicodedata.combining(before) == _VIRAMA and unicodedata.category(after)[0] == "L")
    return joins or _extends(after) or (before, after) == ("\r", "\n")


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _extends(character: str) -> bool:
    """Whether it belongs to the character before it: marks, joiners, skin colours, tags of flags, Hangul's parts."""
    return (
        unicodedata.category(character)[0] == "M"
        or character in "\u200c\u200d\uff9e\uff9f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or "\u1160" <= character <= "\u11ff"
    )


def storable(value: str) -> bool:
    """Whether PostgreSQL can store it: NUL is refused, and UTF-8 cannot encode unpaired surrogates."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def make_storable(value: str) -> str:
    """The text with unstorable characters removed or replaced: text of a model cannot be refused."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
