"""Names that rooms get without their account."""

import pytest

from parley.core.chat.naming import NEW_ROOM_NAME, TITLE_CHARACTERS, first_words, title_of

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Where is it warm in May?", "Where is it warm in May?"),
        ("  Where\tis\r\nit\n\nwarm? \n", "Where is it warm?"),
        ("word " * 100, " ".join(["word"] * 12)),
        ("x" * 59 + " and more", "x" * 59),
        ("x" * 60 + " and more", "x" * 60),
        ("Hello, " + "x" * 100, "Hello"),
        ("x" * 100, "x" * TITLE_CHARACTERS),
        ("日本語" * 100, "日本語" * 20),
        ("请 " + "写" * 100, "请 " + "写" * 58),
        ("x" * 58 + FAMILY, "x" * 58),
        (FAMILY * 40, FAMILY * 12),
        ("\u202eevil\u2066 \u200bname\x07", "evil name"),
        ("\u2028line\u2029break\x85s", "line break s"),
        (" " * 999 + "a" * 10, "a"),
        (" " * 2_000 + "late", NEW_ROOM_NAME),
        ("\u0301" * 2_000 + "late", NEW_ROOM_NAME),
    ],
)
def test_first_words(message: str, expected: str) -> None:
    assert first_words(message) == expected
    assert len(expected) <= TITLE_CHARACTERS


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Warm places in May", "Warm places in May"),
        ('"Warm places in May"', "Warm places in May"),
        ("'Warm places'", "Warm places"),
        ("\u201cWarm places\u201d", "Warm places"),
        ("\u201eWarme Orte\u201c", "Warme Orte"),
        ("\u00ab Endroits chauds \u00bb", "Endroits chauds"),
        ("\u300c暖かい場所\u300d", "暖かい場所"),
        ("Title: Warm places", "Warm places"),
        ("**Title:** Warm places.", "Warm places"),
        ("Title: **Warm places**", "Warm places"),
        ('# "Warm places"', "Warm places"),
        ("### Warm places ###", "Warm places ###"),
        ("> - Warm places", "Warm places"),
        ("`Warm places`", "Warm places"),
        ("[Warm places](https://example.com)", "Warm places"),
        ("```\nWarm places\n```", "Warm places"),
        ("Here is a title:\n\nWarm places", "Warm places"),
        ("Title:\nWarm places", "Warm places"),
        ("Warm places\nThis title says what it is about.", "Warm places"),
        ("<think>The user wants\na title.</think>\n\nWarm places", "Warm places"),
        ("<think>Never ends", None),
        ("thoughts without a beginning</think>Warm places", "Warm places"),
        ("Warm\u202e places\u200b", "Warm places"),
        ("Why?", "Why?"),
        ("And then...", "And then..."),
        ('Bob\'s "best" C++ tips', 'Bob\'s "best" C++ tips'),
        ("\U0001f3d6\ufe0f", "\U0001f3d6\ufe0f"),
        ("2. Bundesliga: der Spieltag", "2. Bundesliga: der Spieltag"),
        ("word " * 100, " ".join(["word"] * 12)),
        ("Announced:", "Announced:"),
        ("", None),
        (" \n\t ", None),
        ('""', None),
        ("---\n***", None),
        ("Title:", None),
    ],
)
def test_title_of(answer: str, expected: str | None) -> None:
    assert title_of(answer) == expected
