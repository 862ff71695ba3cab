"""What a draft holds while it grows."""

import gc
from uuid import uuid4

from parley.core.chat.draft import COALESCE_CHARACTERS, Draft
from parley.core.chat.parts import Part, PartKind

WORDS = "w" * COALESCE_CHARACTERS


class _Forgetful:
    """A stream that holds nothing of what is sent."""

    async def append(self, *_):
        """Sent."""


def parts_in_memory():
    return sum(type(each) is Part for each in gc.get_objects())


async def test_what_was_sent_is_no_object_for_each_passage():
    """A collection of garbage would visit them all and stop every stream of the process meanwhile."""
    draft = Draft(stream=_Forgetful(), reply_id=uuid4(), attempt=1)
    before = parts_in_memory()
    for kind in (PartKind.REASONING, PartKind.TEXT):
        for _ in range(100):
            await draft.add(kind, WORDS)
    assert parts_in_memory() - before < 10
    assert draft.parts == (Part(PartKind.REASONING, WORDS * 100), Part(PartKind.TEXT, WORDS * 100))
