"""What a model is told of a room."""

from parley.core.chat.model import Claim, Conversation, Turn
from parley.core.chat.stores import ChatUnit

PAGE = 100


async def read_conversation(unit: ChatUnit, claim: Claim, *, characters: int) -> Conversation:
    """The room's instructions, and whole messages up to `characters` in all, the newest kept, oldest first.

    The message to be answered is always there, even when it alone is longer.
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
