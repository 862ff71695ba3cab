import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import AuditEvent, IdentityKind, Purpose
from parley.core.accounts.ports import SenderUnavailable
from tests.fakes.account_ports import FakeCipher, FakeOtpSender
from tests.unit.accounts.delivery_steps import DELIVERED, claim, deliver, requested, requeue, waiting
from tests.unit.accounts.environment import MIRA, RAVI, outcomes


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 10), (1, 10), (60, 9), (61, 9), (539, 2), (540, 1), (599.9, 1)])
async def test_code_is_delivered_with_the_minutes_that_it_has_left(env, seconds, minutes):
    delivery_id = await requested(env)
    env.advance(seconds=seconds)
    await deliver(env, delivery_id)

    assert env.sender.sent == [(MIRA, "000001", Purpose.SIGN_IN)]
    assert env.sender.minutes == [minutes]
    assert env.audit.events == DELIVERED
    assert await waiting(env) == 0


async def test_delivery_stores_the_code_encrypted_and_hides_it_in_its_repr(env):
    delivery = await claim(env, await requested(env))

    assert FakeCipher().decrypt(delivery.encrypted_code) == "000001"
    assert b"000001" not in delivery.encrypted_code
    assert "encrypted" not in repr(delivery)
    assert "000001" not in repr(replace(delivery, id=UUID(int=0)))


async def test_repeated_hint_sends_the_code_once(env):
    delivery_id = await requested(env)
    await outcomes(deliver(env, delivery_id) for _ in range(20))
    await deliver(env, delivery_id)

    assert len(env.sender.sent) == 1
    assert env.audit.events == DELIVERED


async def test_hint_of_an_unknown_delivery_does_nothing(env):
    await deliver(env, UUID(int=404))

    assert env.audit.notes == []


async def test_no_unit_of_work_is_open_while_a_code_is_sent(env):
    class SenderThatOpensATransaction(FakeOtpSender):
        async def send(self, *message, minutes: int) -> None:
            async with asyncio.timeout(30), env.uow():
                await super().send(*message, minutes=minutes)

    sender = SenderThatOpensATransaction()
    env.code_delivery = replace(env.code_delivery, senders={IdentityKind.EMAIL: sender})
    await deliver(env, await requested(env))

    assert len(sender.sent) == 1


async def test_delivery_whose_hint_was_lost_is_requeued_after_two_seconds(env):
    delivery_id = await requested(env)
    env.advance(seconds=1.9)
    assert await requeue(env) == 0
    env.advance(seconds=0.1)

    assert await requeue(env) == 1
    assert env.queue.ids == [delivery_id]
    await env.deliver_codes()
    assert len(env.sender.sent) == 1
    assert await requeue(env) == 0


async def test_code_of_a_worker_that_died_is_sent_once_its_lease_is_over(env):
    delivery_id = await requested(env)
    env.sender.failures = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await deliver(env, delivery_id)
    env.advance(seconds=29.9)
    await deliver(env, delivery_id)
    assert env.sender.sent == []
    assert await requeue(env) == 0

    env.advance(seconds=2.1)
    assert await requeue(env) == 1
    await env.deliver_codes()
    assert len(env.sender.sent) == 1
    assert env.audit.events == DELIVERED


async def test_delivery_survives_an_unexpected_error_of_the_sender(env):
    delivery_id = await requested(env)
    env.sender.failures = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        await deliver(env, delivery_id)

    env.advance(seconds=30)
    await deliver(env, delivery_id)
    assert len(env.sender.sent) == 1


async def test_codes_of_one_identity_are_delivered_side_by_side(env):
    first = await requested(env)
    env.advance(minutes=1)
    second = await requested(env)
    for delivery_id in (second, first, second):
        await deliver(env, delivery_id)

    assert len({code for _, code, _ in env.sender.sent}) == len(env.sender.sent) == 2


async def test_reset_code_of_an_account_is_delivered(env):
    await env.sign_in()
    await deliver(env, await requested(env, purpose=Purpose.RESET))

    assert env.sender.sent[-1][2] is Purpose.RESET


async def test_reset_code_of_an_identity_without_account_is_only_rehearsed(env):
    await env.sign_in(MIRA)
    await env.deliver_codes()
    sent, notes = len(env.sender.sent), len(env.audit.notes)
    await deliver(env, await requested(env, RAVI, Purpose.RESET))

    assert len(env.sender.sent) == sent
    assert [(identity, purpose) for identity, _, purpose in env.sender.rehearsed] == [(RAVI, Purpose.RESET)]
    assert env.audit.events[notes:] == [AuditEvent.CODE_REQUESTED]
    assert await waiting(env) == 0


async def test_a_rehearsal_that_fails_is_put_off_as_a_delivery_is(env):
    delivery_id = await requested(env, RAVI, Purpose.RESET)
    env.sender.failures = [SenderUnavailable("busy")]
    await deliver(env, delivery_id)
    assert (env.sender.rehearsed, await waiting(env)) == ([], 1)
    env.advance(seconds=2)
    await deliver(env, delivery_id)

    assert (len(env.sender.rehearsed), env.sender.sent, await waiting(env)) == (1, [], 0)
    assert env.audit.events == [AuditEvent.CODE_REQUESTED]


async def test_reset_code_of_an_account_erased_meanwhile_is_not_sent(env):
    signed_in = await env.sign_in()
    delivery_id = await requested(env, purpose=Purpose.RESET)
    await erase_account(env.ports, account_id=signed_in.account.id)
    await deliver(env, delivery_id)

    assert len(env.sender.sent) == 1
