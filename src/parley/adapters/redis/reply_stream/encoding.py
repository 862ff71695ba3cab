"""How the pieces of a reply look in Redis: a stream of them, and a channel of the same name for those that come now."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd

# Seconds that a stream is kept after its latest piece, and after its end, empty: it still refuses what is late.
KEPT_WHILE_WRITTEN = 3_600
KEPT_AFTER_END = 300

ENDED = b"ended"

# For each key a piece (attempt, end, start, text), or nothing, which is an end. The entry's id is the piece's place, so
# Redis itself refuses a piece that is sent again or comes too late. One script for entry and message: what is in the
# stream was published, and what was refused was not. Its answer are the errors; none keeps the others from being sent.
SEND = """
local errors = {}
local function did(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer['err'] then return true end
  if not string.find(answer['err'], 'ID specified', 1, true) then table.insert(errors, answer) end
  return false
end
for number, piece in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, attempt, place, start, text = KEYS[number], unpack(piece)
  if not attempt then
    did('XTRIM', key, 'MAXLEN', 0)
    did('EXPIRE', key, ARGV[3])
    did('PUBLISH', key, ARGV[4])
  elseif did('XADD', key, attempt .. '-' .. place, 'start', start, 'text', text) then
    if place == 0 then did('XTRIM', key, 'MINID', attempt .. '-0') end
    did('EXPIRE', key, ARGV[2])
    did('PUBLISH', key, attempt .. ' ' .. start .. ' ' .. text)
  end
end
return errors
"""

# A key, and what the script takes for it.
SendItem = tuple[str, tuple[int, int, int, str] | tuple[()]]
Entries = Iterable[tuple[bytes, Mapping[bytes, bytes]]]


def key_of(reply_id: UUID) -> str:
    return f"parley:reply:{reply_id}"


def chunk_item(reply_id: UUID, piece: Chunk) -> SendItem:
    # What is no UTF-8, half a surrogate pair, is replaced here. Text and not bytes: Redis unpacks none of those.
    text = piece.text.encode("utf-8", "replace").decode()
    return key_of(reply_id), (piece.attempt, piece.end, piece.start, text)


def end_item(reply_id: UUID) -> SendItem:
    return key_of(reply_id), ()


def send_command(parcels: Iterable[SendItem]) -> list[str | bytes | int]:
    """One for all of them. Few words: redis-py packs them in Python, whatever it parses with; MessagePack is faster."""
    keys, pieces = zip(*parcels, strict=True)
    packed = msgspec.msgpack.encode(pieces)
    return ["EVAL", SEND, len(keys), *keys, packed, KEPT_WHILE_WRITTEN, KEPT_AFTER_END, ENDED]


def read_message(data: bytes) -> Chunk | StreamEnd:
    if data == ENDED:
        return StreamEnd.ENDED
    attempt, start, text = data.split(b" ", 2)
    return Chunk(int(attempt), int(start), text.decode())


def read_entries(entries: Entries) -> list[Chunk]:
    """The pieces of the latest attempt among the stream's entries, oldest first."""
    pieces = [
        Chunk(int(entry_id.split(b"-")[0]), int(fields[b"start"]), fields[b"text"].decode())
        for entry_id, fields in entries
    ]
    return [piece for piece in pieces if piece.attempt == pieces[-1].attempt]


def joined_text(pieces: Iterable[Chunk]) -> str:
    """The text from the beginning up to the first gap."""
    text = ""
    for piece in pieces:
        if piece.start > len(text):
            break
        text += piece.text[len(text) - piece.start :]
    return text
