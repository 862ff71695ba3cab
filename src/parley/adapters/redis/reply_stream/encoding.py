"""How a reply's chunks look in Redis: a stream that stores them and a channel of the same name that announces them."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from parley.core.chat.model import Chunk
from parley.core.chat.parts import PartKind
from parley.core.chat.ports import StreamEnd

# Seconds that a stream lives after its latest chunk, and after its end, empty, to refuse chunks that come late.
TTL_WHILE_WRITING = 3_600
TTL_AFTER_END = 300

ENDED = b"ended"
# Marks the message of a reasoning chunk. A process of the version before this one reads it as a part of the attempt's
# number, and the chunk as text; it would not survive another form while both versions run.
REASONING_MARK = b"+"

# Takes for each key a chunk (attempt, end, start, text, and for reasoning its kind) or nothing, which ends the reply.
# The entry's id is attempt-end, so Redis itself refuses a chunk that is sent again or late. One script stores and
# publishes, so that a chunk is published exactly when it was stored. It returns the errors; an error does not stop the
# other chunks.
SEND = """
local errors = {}
local function did(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer['err'] then return true end
  if not string.find(answer['err'], 'ID specified', 1, true) then table.insert(errors, answer) end
  return false
end
local function store(key, id, start, text, kind)
  if kind then return did('XADD', key, id, 'start', start, 'text', text, 'kind', kind) end
  return did('XADD', key, id, 'start', start, 'text', text)
end
for number, chunk in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, attempt, stop, start, text, kind = KEYS[number], unpack(chunk)
  if not attempt then
    did('XTRIM', key, 'MAXLEN', 0)
    did('EXPIRE', key, ARGV[3])
    did('PUBLISH', key, ARGV[4])
  elseif store(key, attempt .. '-' .. stop, start, text, kind) then
    if stop == 0 then did('XTRIM', key, 'MINID', attempt .. '-0') end
    did('EXPIRE', key, ARGV[2])
    did('PUBLISH', key, (kind and ARGV[5] or '') .. attempt .. ' ' .. start .. ' ' .. text)
  end
end
return errors
"""

# A key, and the script's arguments for it.
SendItem = tuple[str, tuple[int, int, int, str] | tuple[int, int, int, str, str] | tuple[()]]
# As XRANGE answers: an id, and names and values of fields in turn.
Entries = Iterable[tuple[bytes, Sequence[bytes]]]


def key_of(reply_id: UUID) -> str:
    """The name of a reply's stream and of its channel, which the client's prefix precedes."""
    return f"parley:reply:{reply_id}"


def chunk_item(key: str, chunk: Chunk) -> SendItem:
    # Replaces half surrogate pairs, which UTF-8 cannot encode. Text rather than bytes, since Redis unpacks no bytes.
    text = chunk.text.encode("utf-8", "replace").decode()
    if chunk.kind is PartKind.TEXT:
        return key, (chunk.attempt, chunk.end, chunk.start, text)
    return key, (chunk.attempt, chunk.end, chunk.start, text, chunk.kind.value)


def end_item(key: str) -> SendItem:
    return key, ()


def send_command(items: Iterable[SendItem]) -> list[str | bytes | int]:
    """One command for all items. MessagePack keeps its arguments few, because redis-py packs each one in Python."""
    keys, chunks = zip(*items, strict=True)
    packed = msgspec.msgpack.encode(chunks)
    return ["EVAL", SEND, len(keys), *keys, packed, TTL_WHILE_WRITING, TTL_AFTER_END, ENDED, REASONING_MARK]


def read_message(data: bytes) -> Chunk | StreamEnd:
    if data == ENDED:
        return StreamEnd.ENDED
    kind = PartKind.REASONING if data.startswith(REASONING_MARK) else PartKind.TEXT
    attempt, start, text = data.split(b" ", 2)
    return Chunk(int(attempt), int(start), text.decode(), kind)


def read_entries(entries: Entries) -> list[Chunk]:
    """The chunks of the latest attempt in the stream, oldest first."""
    chunks = [_chunk(entry_id, dict(zip(fields[::2], fields[1::2], strict=True))) for entry_id, fields in entries]
    return [chunk for chunk in chunks if chunk.attempt == chunks[-1].attempt]


def _chunk(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Chunk:
    return Chunk(
        int(entry_id.split(b"-")[0]),
        int(fields[b"start"]),
        fields[b"text"].decode(),
        PartKind.REASONING if b"kind" in fields else PartKind.TEXT,
    )
