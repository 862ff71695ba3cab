"""How the pieces of a reply look in Redis: a stream of them, and a channel of the same name for those that come now."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from parley.core.chat.model import Piece
from parley.core.chat.ports import StreamEnd

# Seconds that a stream is kept after its latest piece, and after its end, empty: it still refuses what is late.
KEPT_WHILE_WRITTEN = 3_600
KEPT_AFTER_END = 300

ENDED = b"ended"

# The entry's id is the piece's place, so Redis itself refuses a piece that is sent again or comes too late. One script
# for entry and message: what is in the stream was published, and what was refused was not.
APPEND = """
local id = ARGV[1] .. '-' .. ARGV[2]
local added = redis.pcall('XADD', KEYS[1], id, 'start', ARGV[3], 'text', ARGV[4])
if type(added) == 'table' then
  if string.find(added['err'], 'ID specified', 1, true) then return 0 end
  return added
end
if ARGV[2] == '0' then redis.call('XTRIM', KEYS[1], 'MINID', id) end
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('PUBLISH', KEYS[1], ARGV[1] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
return 1
"""

END = """
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
"""

Command = tuple[str | bytes | int, ...]
Entries = Iterable[tuple[bytes, Mapping[bytes, bytes]]]


def key_of(reply_id: UUID) -> str:
    return f"parley:reply:{reply_id}"


def append_command(reply_id: UUID, piece: Piece) -> Command:
    text = piece.text.encode("utf-8", "replace")
    return ("EVAL", APPEND, 1, key_of(reply_id), piece.attempt, piece.end, piece.start, text, KEPT_WHILE_WRITTEN)


def end_command(reply_id: UUID) -> Command:
    return ("EVAL", END, 1, key_of(reply_id), KEPT_AFTER_END, ENDED)


def read_message(data: bytes) -> Piece | StreamEnd:
    if data == ENDED:
        return StreamEnd.ENDED
    attempt, start, text = data.split(b" ", 2)
    return Piece(int(attempt), int(start), text.decode())


def read_entries(entries: Entries) -> list[Piece]:
    """The pieces of the latest attempt among the stream's entries, oldest first."""
    pieces = [
        Piece(int(entry_id.split(b"-")[0]), int(fields[b"start"]), fields[b"text"].decode())
        for entry_id, fields in entries
    ]
    return [piece for piece in pieces if piece.attempt == pieces[-1].attempt]


def joined_text(pieces: Iterable[Piece]) -> str:
    """The text from the beginning up to the first gap."""
    text = ""
    for piece in pieces:
        if piece.start > len(text):
            break
        text += piece.text[len(text) - piece.start :]
    return text
