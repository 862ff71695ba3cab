"""Delivering one-time codes and notices in the background, after the request that caused them was answered.

A code waits in the database, encrypted, until a sender has accepted it. The queue only carries hints: the sweep finds
deliveries whose hint was lost or whose worker died. So a code may be sent twice, but is not lost.
"""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.model import AuditEvent, Delivery, Notice, Purpose
from parley.core.accounts.ports import CodeDelivery, SenderRefused, SenderUnavailable
from parley.core.accounts.send_limits import check_reached
from parley.core.errors import InvalidInput

# Longer than any sender takes to give up.
LEASE_SECONDS = 30.0
FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 60.0
OVERDUE_SECONDS = 2.0
SWEEP_LIMIT = 1_000


async def deliver_code(accounts: AccountsPorts, delivery_id: UUID) -> None:
    """Send the code unless it was sent or voided, or another worker has it. Without `code_delivery` a no-op.

    One that only an account's owner is to get is rehearsed where there is no account. A temporary failure postpones the
    delivery while the code is still valid; a final one ends it. Both are noted in the audit trail.
    """
    if accounts.code_delivery is None:
        return
    now = accounts.now()
    async with accounts.uow() as unit:
        delivery = await unit.deliveries.claim(delivery_id, lease=LEASE_SECONDS, now=now)
        if delivery is None:
            return
        # Decided here and not in the request, which takes the same time for every identity. So does what follows: in
        # one process with the API, a client that sends requests meanwhile would notice that no message is sent.
        for_owner = delivery.purpose is not Purpose.SIGN_IN
        unwanted = for_owner and await unit.accounts.find(delivery.identity) is None
        await unit.commit()
    failure = await _send(accounts, accounts.code_delivery, delivery, now, unwanted=unwanted)
    if isinstance(failure, SenderUnavailable) and await _postpone(accounts, delivery, now):
        if not unwanted:
            accounts.audit.note(AuditEvent.CODE_POSTPONED, identity=delivery.identity, how=str(failure))
        return
    async with accounts.uow() as unit:
        await unit.deliveries.remove(delivery_id)
        await unit.commit()
    if unwanted:
        return
    if failure is not None:
        accounts.audit.note(AuditEvent.CODE_NOT_DELIVERED, identity=delivery.identity, how=str(failure))
    else:
        event = AuditEvent.OWNER_NOTIFIED if isinstance(delivery.purpose, Notice) else AuditEvent.CODE_DELIVERED
        accounts.audit.note(event, identity=delivery.identity, how=delivery.purpose.value)


async def requeue_deliveries(accounts: AccountsPorts) -> int:
    """Put overdue deliveries back on the queue; returns how many."""
    if accounts.code_delivery is None:
        return 0
    async with accounts.uow(read_only=True) as unit:
        overdue = await unit.deliveries.overdue(seconds=OVERDUE_SECONDS, limit=SWEEP_LIMIT)
    for delivery_id in overdue:
        await accounts.code_delivery.queue.put(delivery_id)
    return len(overdue)


async def _send(
    accounts: AccountsPorts, code_delivery: CodeDelivery, delivery: Delivery, now: datetime, *, unwanted: bool
) -> SenderUnavailable | SenderRefused | None:
    sender = code_delivery.senders.get(delivery.identity.kind)
    if sender is None:
        return SenderRefused("no configured sender reaches this kind of identity")
    try:
        # Requests for codes were checked already. Notices were not: an account may be older than the check.
        check_reached(accounts, delivery.identity)
    except InvalidInput as error:
        return SenderRefused(error.message)
    if isinstance(delivery.purpose, Notice):
        notice = sender.check() if unwanted else sender.send_notice(delivery.identity, delivery.purpose)
        return await _failure_of(notice)
    try:
        code = code_delivery.cipher.decrypt(delivery.encrypted_code)
    except ValueError:
        return SenderRefused("the secret that encrypted the code is not in JWT_SECRET any more")
    minutes = max(1, ceil((delivery.expires_at - now) / timedelta(minutes=1)))
    send = sender.rehearse if unwanted else sender.send
    return await _failure_of(send(delivery.identity, code, delivery.purpose, minutes=minutes))


async def _failure_of(sending: Awaitable[None]) -> SenderUnavailable | SenderRefused | None:
    try:
        await sending
    except (SenderUnavailable, SenderRefused) as error:
        return error
    return None


async def _postpone(accounts: AccountsPorts, delivery: Delivery, now: datetime) -> bool:
    """Schedule the next try; False when the code expires before it."""
    delay = min(FIRST_DELAY_SECONDS * 3.0**delivery.failures, LONGEST_DELAY_SECONDS)
    if now + timedelta(seconds=delay) >= delivery.expires_at:
        return False
    async with accounts.uow() as unit:
        await unit.deliveries.postpone(delivery.id, seconds=delay)
        await unit.commit()
    return True
