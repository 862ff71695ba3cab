"""How a reply's chunks look in Redis: a stream that stores them and a channel of the same name that announces them."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd

# Seconds that a stream lives after its latest chunk, and after its end, empty, to refuse chunks that come late.
TTL_WHILE_WRITING = 3_600
TTL_AFTER_END = 300

ENDED = b"ended"

# Takes for each key a chunk (attempt, end, start, text) or nothing, which ends the reply. The entry's id is
# attempt-end, so Redis itself refuses a chunk that is sent again or late. One script stores and publishes, so that a
# chunk is published exactly when it was stored. It returns the errors; an error does not stop the other chunks.
SEND = """
local errors = {}
local function did(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer['err'] then return true end
  if not string.find(answer['err'], 'ID specified', 1, true) then table.insert(errors, answer) end
  return false
end
for number, chunk in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, attempt, stop, start, text = KEYS[number], unpack(chunk)
  if not attempt then
    did('XTRIM', key, 'MAXLEN', 0)
    did('EXPIRE', key, ARGV[3])
    did('PUBLISH', key, ARGV[4])
  elseif did('XADD', key, attempt .. '-' .. stop, 'start', start, 'text', text) then
    if stop == 0 then did('XTRIM', key, 'MINID', attempt .. '-0') end
    did('EXPIRE', key, ARGV[2])
    did('PUBLISH', key, attempt .. ' ' .. start .. ' ' .. text)
  end
end
return errors
"""

# A key, and the script's arguments for it.
SendItem = tuple[str, tuple[int, int, int, str] | tuple[()]]
Entries = Iterable[tuple[bytes, Mapping[bytes, bytes]]]


def key_of(reply_id: UUID) -> str:
    return f"parley:reply:{reply_id}"


def chunk_item(reply_id: UUID, chunk: Chunk) -> SendItem:
    # Replaces half surrogate pairs, which UTF-8 cannot encode. Text rather than bytes, since Redis unpacks no bytes.
    text = chunk.text.encode("utf-8", "replace").decode()
    return key_of(reply_id), (chunk.attempt, chunk.end, chunk.start, text)


def end_item(reply_id: UUID) -> SendItem:
    return key_of(reply_id), ()


def send_command(items: Iterable[SendItem]) -> list[str | bytes | int]:
    """One command for all items. MessagePack keeps its arguments few, because redis-py packs each one in Python."""
    keys, chunks = zip(*items, strict=True)
    packed = msgspec.msgpack.encode(chunks)
    return ["EVAL", SEND, len(keys), *keys, packed, TTL_WHILE_WRITING, TTL_AFTER_END, ENDED]


def read_message(data: bytes) -> Chunk | StreamEnd:
    if data == ENDED:
        return StreamEnd.ENDED
    attempt, start, text = data.split(b" ", 2)
    return Chunk(int(attempt), int(start), text.decode())


def read_entries(entries: Entries) -> list[Chunk]:
    """The chunks of the latest attempt in the stream, oldest first."""
    chunks = [
        Chunk(int(entry_id.split(b"-")[0]), int(fields[b"start"]), fields[b"text"].decode())
        for entry_id, fields in entries
    ]
    return [chunk for chunk in chunks if chunk.attempt == chunks[-1].attempt]
