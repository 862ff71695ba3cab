"""The passage of a text that a search result shows."""

from dataclasses import dataclass

from parley.core.chat.search_terms import fold, found_spans

SNIPPET_CHARACTERS = 200
# What a snippet shows before the first passage that was found.
_BEFORE = 60
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Plain text on one line, and where the query was found in it: start and end in code points, in order."""

    text: str
    highlights: tuple[tuple[int, int], ...]


def snippet_of(text: str, query: str) -> Snippet:
    """The passage around the first match, composed (Unicode's NFC); the beginning of a text without a match."""
    folded = fold(text)
    spans = _joined(folded.original_spans(list(found_spans(folded, query))))
    whole = folded.original
    start = 0 if len(whole) <= SNIPPET_CHARACTERS or not spans else max(0, spans[0][0] - _BEFORE)
    if start:
        # At the beginning of a word, where one is near.
        spaces = (index for index in range(start, spans[0][0]) if whole[index].isspace())
        start = next(spaces, start - 1) + 1
    end = min(len(whole), start + SNIPPET_CHARACTERS)
    shown = "".join(" " if character.isspace() else character for character in whole[start:end])
    before, after = _CUT if start else "", _CUT if end < len(text) else ""
    shift = len(before) - start
    highlights = tuple((first + shift, min(last, end) + shift) for first, last in spans if start <= first < end)
    return Snippet(before + shown + after, highlights)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, overlapping ones as one."""
    joined = list[tuple[int, int]]()
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
