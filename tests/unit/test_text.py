"""Typed text as people paste it."""

import pytest

from parley.core.text import typed, typed_code


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
