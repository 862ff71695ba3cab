"""Deliveries that fail for now or for good."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.model import Account, AuditEvent, Delivery, Identity, IdentityKind, Notice
from parley.core.accounts.ports import SenderRefused, SenderUnavailable
from tests.fakes.account_ports import FakeCipher
from tests.unit.accounts.delivery_steps import DELIVERED, NOT_DELIVERED, deliver, requested, requeue, waiting
from tests.unit.accounts.environment import MIRA, RAVI


async def test_unavailable_sender_is_retried_after_growing_delays(env):
    delivery_id = await requested(env)
    delays = [2, 6, 18, 54, 60, 60]
    env.sender.failures = [SenderUnavailable("busy") for _ in delays]
    await deliver(env, delivery_id)
    for number, delay in enumerate(delays, start=1):
        env.advance(seconds=delay - 0.1)
        await deliver(env, delivery_id)
        assert len(env.sender.failures) == len(delays) - number
        env.advance(seconds=0.1)
        await deliver(env, delivery_id)

    assert env.sender.minutes == [7]
    code_requested, delivered = DELIVERED
    assert env.audit.events == [code_requested, *[AuditEvent.CODE_POSTPONED] * len(delays), delivered]
    assert env.audit.notes[1].how == "busy"
    assert await waiting(env) == 0


async def test_postponed_delivery_is_requeued_by_the_sweep(env):
    delivery_id = await requested(env)
    env.sender.failures = [SenderUnavailable("busy")]
    await deliver(env, delivery_id)
    env.advance(seconds=4)

    assert await requeue(env) == 1


@pytest.mark.parametrize(("life", "tries"), [(2, 1), (3, 2), (8, 2), (9, 3)])
async def test_delivery_is_given_up_when_the_code_would_expire_before_the_next_try(env, life, tries):
    env.code_policy = CodePolicy(expire_seconds=life)
    delivery_id = await requested(env)
    env.sender.failures = [SenderUnavailable("busy") for _ in range(9)]
    for delay in (2, 6, 18):
        await deliver(env, delivery_id)
        env.advance(seconds=delay)

    assert len(env.sender.failures) == 9 - tries
    code_requested, given_up = NOT_DELIVERED
    assert env.audit.events == [code_requested, *[AuditEvent.CODE_POSTPONED] * (tries - 1), given_up]
    assert (env.audit.notes[-1].identity, env.audit.notes[-1].how) == (MIRA, "busy")
    assert await waiting(env) == 0


async def test_expired_code_is_not_sent(env):
    delivery_id = await requested(env)
    env.advance(minutes=10)
    await deliver(env, delivery_id)

    assert env.sender.sent == []


async def test_refused_code_is_tried_once_and_noted(env):
    delivery_id = await requested(env)
    env.sender.failures = [SenderRefused("no such mailbox")]
    await deliver(env, delivery_id)
    env.advance(minutes=5)
    await deliver(env, delivery_id)

    assert env.sender.sent == []
    assert env.audit.events == NOT_DELIVERED
    assert env.audit.notes[-1].how == "no such mailbox"
    assert await requeue(env) == 0


async def test_code_whose_encryption_key_was_removed_is_noted(env):
    class RotatedCipher(FakeCipher):
        def decrypt(self, _encrypted: bytes) -> str:
            raise ValueError

    delivery_id = await requested(env)
    env.code_delivery = replace(env.code_delivery, cipher=RotatedCipher())
    await deliver(env, delivery_id)

    assert env.audit.events == NOT_DELIVERED
    assert env.audit.notes[-1].how == "the secret that encrypted the code is not in JWT_SECRET any more"
    assert await waiting(env) == 0


async def test_code_for_a_kind_of_identity_without_sender_is_noted(env):
    delivery_id = await requested(env, RAVI)
    env.code_delivery = replace(env.code_delivery, senders={IdentityKind.EMAIL: env.sender})
    await deliver(env, delivery_id)

    assert env.audit.events == NOT_DELIVERED
    assert env.audit.notes[-1].how == "no configured sender reaches this kind of identity"
    assert await waiting(env) == 0


async def test_notice_to_a_number_that_no_sms_reaches_is_given_up(env):
    landline = Identity(IdentityKind.MOBILE_NUMBER, "+493012345678")
    notice = Delivery(UUID(int=7), landline, Notice.GUESSING, b"", env.now + timedelta(days=1))
    async with env.uow() as unit:
        await unit.accounts.find_or_add(Account(UUID(int=8), landline, None, None, env.now))
        await unit.deliveries.put(notice)
        await unit.commit()
    await deliver(env, notice.id)

    assert env.sender.notices == []
    assert env.audit.notes[-1].how == "is not a mobile number: codes are sent by SMS"
    assert await waiting(env) == 0
