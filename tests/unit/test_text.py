"""Typed text as people paste it."""

import pytest

from parley.core.text import beginning, typed, typed_code


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("mira@example.com", "mira@example.com"),
        ("  +91 98765 43210\r\n", "+91 98765 43210"),
        ("\u200e+91 98765\u200f", "+91 98765"),
        ("\u2066+9198765\u2069", "+9198765"),
        ("\ufeffmira\u200b@\u2060example.com", "mira@example.com"),
        ("\uff0b\uff19\uff11\uff08\uff10\uff09", "+91(0)"),
        ("\u3000x\u3000y", "x y"),
        ("\u212a\u00e9", "\u212a\u00e9"),
        ("", ""),
    ],
)
def test_typed(pasted: str, meant: str) -> None:
    assert typed(pasted) == meant


@pytest.mark.parametrize(
    "pasted",
    [
        "123456",
        " 123456\n",
        "123 456",
        "123-456",
        "12\n3456",
        "\ufeff123\u00a0456",
        "\uff11\uff12\uff13456",
        "1 2 3 4 5 6",
    ],
)
def test_typed_code(pasted: str) -> None:
    assert typed_code(pasted) == "123456"


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("abcd", 1, "a"),
        ("ab\u00e9d", 3, "ab\u00e9"),
        ("abe\u0301d", 3, "ab"),
        ("abe\u0301d", 4, "abe\u0301"),
        ("a\U0001f600b", 2, "a\U0001f600"),
        ("a\u2764\ufe0fb", 2, "a"),
        ("a\U0001f44d\U0001f3fdb", 2, "a"),
        *((f"ab{FAMILY}", most, "ab") for most in range(2, 7)),
        (f"ab{FAMILY}c", 7, f"ab{FAMILY}"),
        *((f"a{SCOTLAND}", most, "a") for most in range(1, 8)),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 3, "\U0001f1e9\U0001f1ea"),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 2, "\U0001f1e9\U0001f1ea"),
        ("a\r\nb", 2, "a"),
        ("\u0915\u094d\u0937\u0915", 2, "\u0915\u094d"),
        ("a\u0915\u094d\u0937\u0915", 3, "a"),
        ("a\u1112\u1161\u11ab", 3, "a"),
        ("a" + "\u0301" * 500, 100, "a" + "\u0301" * 99),
        (FAMILY, 3, FAMILY[:3]),
    ],
)
def test_beginning_cuts_no_visible_character_in_two(text: str, most: int, expected: str) -> None:
    assert beginning(text, most) == expected
