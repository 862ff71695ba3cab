"""The part of a room's history that is sent to a model."""

from parley.core.chat.model import Claim, Conversation, Turn
from parley.core.chat.stores import ChatUnit

PAGE = 100


async def read_conversation(unit: ChatUnit, claim: Claim, *, characters: int) -> Conversation:
    """The room's instructions and its newest messages of up to `characters` in all, oldest first.

    Messages are never cut. The message to be answered is always included, even if it is longer than `characters`.
    """
    turns: list[Turn] = []
    left = characters
    position = claim.position
    while True:
        page = await unit.messages.turns_before(claim.room_id, position, limit=PAGE)
        for _, turn in page:
            left -= len(turn.content)
            if left < 0 and turns:
                break
            turns.append(turn)
        if left < 0 or len(page) < PAGE:
            return Conversation(claim.instructions, tuple(reversed(turns)))
        position = page[-1][0]
