"""The terms by which texts are found, computed here for every database: folded words, and pairs where no spaces are.

Letters are compared without case and accents (Unicode's compatibility decomposition, UAX 15). Han, Kana, Thai, Lao,
Khmer, Burmese and Tibetan are written without spaces between words: of these the terms are all pairs of neighbours.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# What is behind these many characters of a text is not found: PostgreSQL's tsvector holds 1 MB.
SEARCHED_CHARACTERS = 32_000
# A longer word is found by its beginning.
TERM_CHARACTERS = 64

# Letters that have no decomposition, though people type them without their strokes.
_PLAIN = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe"}
)
# Combining marks that are accents, points of vowels, or variants. Not those that make another letter, as in Kana.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\U000e0100-\U000e01ef]+"
)
_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
_RUNS = re.compile(f"([{_UNSPACED}]+)|[^ {_UNSPACED}]+")


class _Folding(dict[int, str]):
    """What each character becomes, for `str.translate`; letters are remembered."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        if folded.strip():
            self[code] = folded
        return folded


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as it is compared. Everything that is no letter, digit or pictograph is a space."""

    original: str
    text: str

    def runs(self) -> Iterator[tuple[int, str, bool]]:
        """Each word, and each run without spaces: where it begins, its text, and whether it is such a run."""
        for match in _RUNS.finditer(self.text):
            yield match.start(), match[0], match[1] is not None

    def original_spans(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Where in `original` these passages of `text` are. Marks behind a letter belong to it."""
        if not spans or self.original.isascii():
            return spans
        origin = [index for index, character in enumerate(self.original) for _ in _FOLDING[ord(character)]]
        return [(origin[start], self._end(origin[end - 1] + 1)) for start, end in spans]

    def _end(self, end: int) -> int:
        while end < len(self.original) and not _FOLDING[ord(self.original[end])]:
            end += 1
        return end


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a query. A prefix also finds longer terms."""

    text: str
    is_prefix: bool


def is_unspaced(character: str) -> bool:
    """Whether its script has no spaces between words."""
    return _UNSPACED_CHARACTER.match(character) is not None


def fold(text: str) -> Folded:
    """The first SEARCHED_CHARACTERS of the text, composed (Unicode's NFC) and folded."""
    text = text[:SEARCHED_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return Folded(text, text.translate(_FOLDING))


def terms_of(text: str) -> list[str]:
    """The terms of a text that can be found, in their order, with repetitions."""
    found = list[str]()
    for _, run, is_unspaced in fold(text).runs():
        if is_unspaced:
            # The last one is a single character, by which a query of one character finds it.
            found += (run[start : start + 2] for start in range(len(run)))
        else:
            found.append(run[:TERM_CHARACTERS])
    return found


def terms_of_query(query: str) -> tuple[Term, ...]:
    """The terms that a text must have, each once. The last letters of a word may be missing."""
    found = dict[Term, None]()
    for _, run, is_unspaced in fold(query).runs():
        if not is_unspaced:
            found[Term(run[:TERM_CHARACTERS], is_prefix=True)] = None
        elif len(run) == 1:
            found[Term(run, is_prefix=True)] = None
        else:
            found |= dict.fromkeys(Term(run[start : start + 2], is_prefix=False) for start in range(len(run) - 1))
    return tuple(found)


def found_spans(text: Folded, query: str) -> Iterator[tuple[int, int]]:
    """The passages of the folded text that the query finds, in order: whole words, and runs or their pairs."""
    wanted = [(run[:TERM_CHARACTERS], is_unspaced) for _, run, is_unspaced in fold(query).runs()]
    words = tuple(run for run, is_unspaced in wanted if not is_unspaced)
    passages = [run for run, is_unspaced in wanted if is_unspaced]
    # A text may have all pairs of a run, but apart from each other.
    passages = [
        part
        for run in passages
        for part in ((run,) if run in text.text else (run[start : start + 2] for start in range(len(run) - 1)))
    ]
    patterns = re.compile("|".join(map(re.escape, passages))) if passages else None
    for start, run, is_unspaced in text.runs():
        if not is_unspaced:
            if words and run.startswith(words):
                yield start, start + len(run)
        elif patterns is not None:
            yield from ((start + match.start(), start + match.end()) for match in patterns.finditer(run))


def _fold_character(character: str) -> str:
    """A character as it is compared: nothing for an accent, a space for what separates words."""
    category = unicodedata.category(character)
    if category == "Cf" or _ACCENTS.fullmatch(character):
        return ""
    if category == "So":
        return f" {character} "
    if category[0] not in "LNM":
        return " "
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", character.casefold()))
    folded = unicodedata.normalize("NFC", plain.casefold().translate(_PLAIN))
    return "".join(each if unicodedata.category(each)[0] in "LNM" else " " for each in folded)


_FOLDING = _Folding()
