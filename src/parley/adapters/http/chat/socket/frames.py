"""What the server sends over a room's WebSocket: JSON objects, one a message, whose `type` names the frame."""

from collections.abc import Mapping
from typing import Any

import msgspec

from parley.adapters.http.chat.message_bodies import message_body
from parley.adapters.http.errors import Problem
from parley.core.chat.parts import PartKind
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded
from parley.core.chat.room_events import MessageAccepted, ReplyProgress, RoomEvent, RoomOpened, RoomQuiet

_NAMES = {PartKind.TEXT: "delta", PartKind.REASONING: "reasoning"}


def event_frame(event: RoomEvent) -> dict[str, Any]:
    match event:
        case RoomQuiet():
            return {"type": "heartbeat"}
        case RoomOpened(position):
            return {"type": "ready", "event_id": str(position)}
        case MessageAccepted(position, message, reply):
            return {
                "type": "accepted",
                "event_id": str(position),
                "message": message_body(message),
                "reply": None if reply is None else message_body(reply),
            }
        case ReplyProgress():
            return _progress(event)


def _progress(progress: ReplyProgress) -> dict[str, Any]:
    frame: dict[str, Any]
    match progress.event:
        case AttemptStarted(begin):
            frame = {"type": "start", "attempt": begin.attempt}
        case Delta(_, text, kind):
            frame = {"type": _NAMES[kind], "text": text}
        case ReplyEnded(_, message):
            name = "done" if message.status.value == "completed" else message.status.value
            frame = {"type": name, "message": message_body(message)}
    return frame | {"event_id": str(progress.position), "message_id": progress.reply.id}


def result_frame(command_id: str | None, **result: Any) -> dict[str, Any]:
    """The answer to a command that was carried out."""
    return {"type": "result", "id": command_id, **result}


def error_frame(command_id: str | None, problem: Problem, headers: Mapping[str, str]) -> dict[str, Any]:
    """The answer to a command that was refused: the problem that its HTTP response would have, and headers.

    The id is None if the command had none, or none that could be read, and if it says why the connection ends.
    """
    members = {name: value for name, value in msgspec.structs.asdict(problem).items() if value is not msgspec.UNSET}
    return members | {"type": "error", "id": command_id, "headers": headers}
