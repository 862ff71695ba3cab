import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import AuditEvent, IdentityKind, Purpose
from parley.core.accounts.ports import SenderRefused, SenderUnavailable
from tests.unit.accounts.desk import MIRA, RAVI, outcomes
from tests.unit.accounts.outer_world import Envelopes, SendBuffer
from tests.unit.accounts.post_room import DELIVERED, asked, claimed, hint, requeued, waiting


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 10), (1, 10), (60, 9), (61, 9), (539, 2), (540, 1), (599.9, 1)])
async def test_code_is_delivered_with_the_minutes_that_it_has_left(desk, seconds, minutes):
    delivery_id = await asked(desk)
    desk.later(seconds=seconds)
    await hint(desk, delivery_id)

    assert desk.outbox.sent == [(MIRA, "000001", Purpose.SIGN_IN)]
    assert desk.outbox.minutes == [minutes]
    assert desk.audit.happenings == DELIVERED
    assert await waiting(desk) == 0


async def test_code_lies_only_sealed_in_the_delivery_and_its_repr_holds_nothing_of_it(desk):
    delivery = await claimed(desk, await asked(desk))

    assert Envelopes().decrypt(delivery.encrypted_code) == "000001"
    assert b"000001" not in delivery.encrypted_code
    assert "encrypted" not in repr(delivery)
    assert "000001" not in repr(replace(delivery, id=UUID(int=0)))


async def test_repeated_hint_sends_nothing_twice(desk):
    delivery_id = await asked(desk)
    await outcomes(hint(desk, delivery_id) for _ in range(20))
    await hint(desk, delivery_id)

    assert len(desk.outbox.sent) == 1
    assert desk.audit.happenings == DELIVERED


async def test_hint_of_nothing_does_nothing(desk):
    await hint(desk, UUID(int=404))

    assert desk.audit.notes == []


async def test_no_unit_of_work_is_open_while_a_code_is_sent(desk):
    class Looking(SendBuffer):
        async def send(self, *message, minutes: int) -> None:
            async with asyncio.timeout(5), desk.uow():
                await super().send(*message, minutes=minutes)

    sender = Looking()
    desk.post = replace(desk.post, senders={IdentityKind.EMAIL: sender})
    await hint(desk, await asked(desk))

    assert len(sender.sent) == 1


async def test_lost_hint_is_found_again_after_two_seconds(desk):
    delivery_id = await asked(desk)
    desk.later(seconds=1.9)
    assert await requeued(desk) == 0
    desk.later(seconds=0.1)

    assert await requeued(desk) == 1
    assert desk.hints.ids == [delivery_id]
    await desk.deliver()
    assert len(desk.outbox.sent) == 1
    assert await requeued(desk) == 0


async def test_code_of_a_worker_that_died_is_sent_once_its_lease_is_over(desk):
    delivery_id = await asked(desk)
    desk.outbox.failures = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await hint(desk, delivery_id)
    desk.later(seconds=29.9)
    await hint(desk, delivery_id)
    assert desk.outbox.sent == []
    assert await requeued(desk) == 0

    desk.later(seconds=2.1)
    assert await requeued(desk) == 1
    await desk.deliver()
    assert len(desk.outbox.sent) == 1
    assert desk.audit.happenings == DELIVERED


async def test_code_stays_when_a_sender_breaks(desk):
    delivery_id = await asked(desk)
    desk.outbox.failures = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        await hint(desk, delivery_id)

    desk.later(seconds=30)
    await hint(desk, delivery_id)
    assert len(desk.outbox.sent) == 1


@pytest.mark.parametrize("failed", [True, False], ids=["put off", "never tried"])
async def test_older_code_is_never_sent_once_there_is_a_newer_one(desk, failed):
    older = await asked(desk)
    if failed:
        desk.outbox.failures = [SenderUnavailable("busy")]
        await hint(desk, older)
    desk.later(minutes=1)
    newer = await asked(desk)
    for delivery_id in (older, newer, older):
        await hint(desk, delivery_id)

    assert [code for _, code, _ in desk.outbox.sent] == ["000003"]


@pytest.mark.parametrize("failure", [None, SenderUnavailable("busy"), SenderRefused("no")], ids=str)
async def test_end_of_an_older_codes_delivery_takes_nothing_of_a_newer_one(desk, failure):
    class Slow(SendBuffer):
        async def send(self, *_message, **_minutes) -> None:
            desk.later(minutes=1)
            await desk.ask()
            if failure:
                raise failure

    outbox = desk.outbox
    desk.post = replace(desk.post, senders={IdentityKind.EMAIL: Slow()})
    await hint(desk, await asked(desk))
    desk.post = replace(desk.post, senders={IdentityKind.EMAIL: outbox})
    await desk.deliver()

    assert [code for _, code, _ in outbox.sent] == ["000003"]


async def test_reset_of_an_account_is_delivered(desk):
    await desk.sign_in()
    await hint(desk, await asked(desk, purpose=Purpose.RESET))

    assert desk.outbox.sent[-1][2] is Purpose.RESET


async def test_reset_of_an_unknown_identity_sends_nothing_and_leaves_nothing_behind(desk):
    await desk.sign_in(MIRA)
    await desk.deliver()
    sent, notes = len(desk.outbox.sent), len(desk.audit.notes)
    await hint(desk, await asked(desk, RAVI, Purpose.RESET))

    assert len(desk.outbox.sent) == sent
    assert desk.audit.happenings[notes:] == [AuditEvent.CODE_REQUESTED]
    assert await waiting(desk) == 0


async def test_reset_of_an_account_that_was_erased_meanwhile_sends_nothing(desk):
    signed_in = await desk.sign_in()
    delivery_id = await asked(desk, purpose=Purpose.RESET)
    await erase_account(
        uow=desk.uow, revocations=desk.revocations, audit=desk.audit, account_id=signed_in.account.id, now=desk.now
    )
    await hint(desk, delivery_id)

    assert len(desk.outbox.sent) == 1
