"""How long the event loop is busy with one reply of very many chunks: `python -m benchmarks.drafts [CHUNKS]`."""

import asyncio
import sys
import time
from uuid import uuid4

from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.core.chat.draft import Draft
from parley.core.chat.parts import PartKind, text_of

CHUNKS = 256_000


async def write(chunks: int) -> None:
    draft = Draft(stream=MemoryReplyStream(), reply_id=uuid4(), attempt=1)
    await draft.begin()
    started = time.process_time()
    for _ in range(chunks):
        await draft.add(PartKind.TEXT, "abc")
    characters = len(text_of(draft.parts))
    print(f"{chunks:,} chunks, {characters:,} characters: {time.process_time() - started:.2f} s")


if __name__ == "__main__":
    asyncio.run(write(int(sys.argv[1]) if len(sys.argv) > 1 else CHUNKS))
