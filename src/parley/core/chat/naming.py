"""Names that rooms get without their account: the first words of a message, and titles that models write."""

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum

from parley.core.chat.search_terms import is_unspaced
from parley.core.text import beginning, is_readable

NEW_ROOM_NAME = "New chat"
# About what a list of chatrooms shows of a name.
TITLE_CHARACTERS = 60
# White space at the beginning of a message may be longer than a title.
_READ_CHARACTERS = 1_000

# Characters that show nothing, and those that turn the direction of what follows (Unicode Standard Annex 9).
_DROPPED = frozenset("\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff") | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_END_OF_THOUGHTS = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\A(?:#{1,6} |> ?|[-*+•] )+")
_EMPHASIS = re.compile(r"\*+|__+|`+|~~+")
_LABEL = re.compile(r"\A(?:(?:chat|conversation|suggested) )?title ?[:\uff1a] ?", re.IGNORECASE)
# As languages pair them: “English”, „Deutsch“, «français», 「日本語」.
_QUOTES = frozenset({
    '""', "''", "\u201c\u201d", "\u201e\u201c", "\u201e\u201d", "\u201d\u201d", "\u2018\u2019", "\u201a\u2018",
    "\u00ab\u00bb", "\u00bb\u00ab", "\u2039\u203a", "\u300c\u300d", "\u300e\u300f", "\u300a\u300b", "()", "[]",
})  # fmt: skip


class Naming(str, Enum):
    """Where a room has its name from.

    USER: its account. NONE: it is NEW_ROOM_NAME until the first message. FIRST_WORDS: of the first message; a model is
    to write a title. FINAL: that title, or first words in whose place no title will come.
    """

    USER = "user"
    NONE = "none"
    FIRST_WORDS = "first_words"
    FINAL = "final"


def first_words(message: str) -> str:
    """The first whole words of a message on one line, up to TITLE_CHARACTERS; NEW_ROOM_NAME if none can be read."""
    words = _whole_words(_on_one_line(message[:_READ_CHARACTERS]))
    return words if is_readable(words) else NEW_ROOM_NAME


def title_of(answer: str) -> str | None:
    """The title in a model's answer, plain, on one line and up to TITLE_CHARACTERS; None if it has none.

    Thoughts between tags, Markdown, quotes and a label are left out, and so is a line that only announces the title.
    """
    text = _END_OF_THOUGHTS.sub("", _THOUGHTS.sub("", answer))
    found = [line for line in map(_plain, text.splitlines()) if _has_word(line)]
    titles = [line for line in found if not line.endswith((":", "\uff1a"))] or found
    return _whole_words(titles[0]) if titles else None


def _plain(line: str) -> str:
    before, line = "", _EMPHASIS.sub("", _LINK.sub(r"\1", _MARKS.sub("", _on_one_line(line)))).strip()
    while line != before:
        before = line
        line = _LABEL.sub("", _MARKS.sub("", line))
        if len(line) > 1 and line[0] + line[-1] in _QUOTES:
            line = line[1:-1].strip()
        if line.endswith((".", "。")) and not line.endswith(".."):
            line = line[:-1].rstrip()
    return line


def _has_word(line: str) -> bool:
    return any(unicodedata.category(character)[0] in "LN" or character > "\U0001f000" for character in line)


def _on_one_line(text: str) -> str:
    return " ".join("".join(_shown(text)).split())


def _shown(text: str) -> Iterator[str]:
    for character in text:
        if character in _DROPPED:
            continue
        yield " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character


def _whole_words(line: str) -> str:
    cut = beginning(line, TITLE_CHARACTERS)
    if cut == line or line[len(cut)] == " ":
        return cut.rstrip()
    words, _, _ = cut.rpartition(" ")
    # A word that is cut in two, unless its script has no spaces between words, or nothing else is left.
    return cut if not words or is_unspaced(cut[-1]) else words.rstrip(" ,;:-\u2013\u2014")
