"""The form in which every provider wants a conversation."""

from collections.abc import Iterable
from itertools import groupby

from parley.core.chat.model import Role, Turn

# What a user would say who has nothing to add.
CONTINUE = "Please continue."


def alternating(said: Iterable[tuple[Role, str]]) -> tuple[Turn, ...]:
    """The same as turns that alternate and begin and end with a user's, as every provider demands."""
    turns = [
        Turn(role, "\n\n".join(text for _, text in group)) for role, group in groupby(said, key=lambda each: each[0])
    ]
    if not turns or turns[0].role is not Role.USER:
        turns.insert(0, Turn(Role.USER, CONTINUE))
    if turns[-1].role is not Role.USER:
        turns.append(Turn(Role.USER, CONTINUE))
    return tuple(turns)
