"""Noting for the statistics what happens, in the transaction in which it happens, in SQL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, literal_column

from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import noted_statistics

# For `from_select`, with the day: what is noted of an attempt at a reply, as a part of the statement that changes it.
# Parameters are those of `attempt_values`, and of `count_end` those of tokens and their cost.
NOTED_COLUMNS = [
    "day", "signups", "messages", "model", "input_tokens", "output_tokens", "failure", "priced_tokens", "cost"
]  # fmt: skip
NOTED_VALUES: tuple[ColumnElement[Any], ...] = (
    literal_column("0"),
    *(
        bindparam(name, type_=noted_statistics.c[column].type)
        for name, column in (
            ("noted_messages", "messages"),
            ("noted_model", "model"),
            ("read", "input_tokens"),
            ("written", "output_tokens"),
            ("noted_failure", "failure"),
            ("priced", "priced_tokens"),
            ("paid", "cost"),
        )
    ),
)
NOTE = Statement(insert(noted_statistics).values(given(*NOTED_COLUMNS)))
# Values for NOTE, without the day.
SIGNED_UP = {
    "signups": 1, "messages": 0, "model": None, "input_tokens": 0, "output_tokens": 0, "failure": None,
    "priced_tokens": 0, "cost": 0,
}  # fmt: skip


def attempt_values(model: str, *, ended: bool = False, failure: str | None = None) -> dict[str, Any]:
    """What is noted of an attempt at a reply, besides its tokens."""
    return {"noted_messages": int(ended), "noted_model": model, "noted_failure": failure}


def note_values(counts: Mapping[str, int], noted: Mapping[str, Any]) -> dict[str, Any]:
    """Values for NOTE, without the day: of an attempt with these tokens, and `attempt_values`."""
    return {
        "signups": 0,
        "messages": noted["noted_messages"],
        "model": noted["noted_model"],
        "input_tokens": counts["read"],
        "output_tokens": counts["written"],
        "failure": noted["noted_failure"],
        "priced_tokens": counts["priced"],
        "cost": counts["paid"],
    }
