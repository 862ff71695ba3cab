"""The events of the chat module for the operator's servers."""

from datetime import datetime
from uuid import UUID, uuid5

from parley.core.chat import ChatPorts
from parley.core.chat.days import utc_day
from parley.core.chat.model import Claim, Ending, Status
from parley.core.chat.tokens import TokenUsage
from parley.core.outgoing_events import EventKind, NewDelivery, OutgoingEvent

_KINDS = {Status.COMPLETED: EventKind.REPLY_COMPLETED, Status.FAILED: EventKind.REPLY_FAILED}


def deliveries_of_end(chat: ChatPorts, claim: Claim, ending: Ending) -> list[NewDelivery]:
    """To be stored with the end of the reply; none if it was stopped, or the operator has not chosen the kind."""
    kind = _KINDS.get(ending.status)
    if kind is None or not chat.webhooks.wants(kind):
        return []
    data = {
        # A prompt's room is hidden, and its text is to be forgotten.
        "chatroom_id": None if claim.prompt else str(claim.room_id),
        "message_id": str(claim.reply_id),
        "model": claim.model,
        "finish_reason": ending.finish_reason and ending.finish_reason.value,
        "usage": _usage(ending.usage),
        "error": ending.error and {"code": ending.error.code, "detail": ending.error.detail},
    }
    text = {"content": ending.content} if chat.webhooks.message_text and not claim.prompt else {}
    event = OutgoingEvent(chat.new_id(), kind, claim.account_id, ending.at, data, text)
    return chat.webhooks.deliveries(event, chat.new_id)


async def report_quota_exceeded(
    chat: ChatPorts, account_id: UUID, *, policy: str, limit: int | None, at: datetime
) -> None:
    """Store that a message was refused, once a day for each account and policy."""
    if not chat.webhooks.wants(EventKind.QUOTA_EXCEEDED):
        return
    # The same id all day, which is why only the first refusal is stored.
    event_id = uuid5(account_id, f"{EventKind.QUOTA_EXCEEDED.value} {policy} {utc_day(at)}")
    async with chat.uow(read_only=True) as unit:
        if await unit.outgoing_events.has(event_id):
            return
    event = OutgoingEvent(event_id, EventKind.QUOTA_EXCEEDED, account_id, at, {"policy": policy, "limit": limit})
    async with chat.uow() as unit:
        await unit.outgoing_events.add(chat.webhooks.deliveries(event, chat.new_id))
        await unit.commit()


def _usage(usage: TokenUsage | None) -> dict[str, int | None] | None:
    return None if usage is None else {name: getattr(usage, name) for name in TokenUsage.__slots__}
