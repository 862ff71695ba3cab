import asyncio
from dataclasses import replace

import pytest

from parley.adapters.security.phone_numbers import PhoneNumbers
from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.codes import CodeSent
from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.identity_rate_limits import IdentityRateLimits
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind, Purpose, token_hash
from parley.core.accounts.ports import CodeDelivery
from parley.core.accounts.sources import block_of
from parley.core.errors import InvalidInput, TooManyRequests
from parley.core.ports import LimitedUse
from tests.fakes.account_ports import FakeCipher, FakeDeliveryQueue, FakeOtpSender
from tests.unit.accounts.environment import MIRA, RAVI


async def test_code_goes_to_the_sender_and_not_into_the_result(env):
    env.code_policy = CodePolicy(expire_seconds=300, resend_seconds=30)
    sent = await env.request_code()
    await env.deliver_codes()

    assert sent == CodeSent(sent.challenge, expires_in=300, resend_in=30, shown_code=None)
    assert sent.challenge not in repr(sent)
    assert env.sender.sent == [(MIRA, "000001", Purpose.SIGN_IN)]


async def test_without_code_delivery_the_result_has_the_code(env):
    env.code_delivery = None
    sent = await env.request_code()

    assert sent.shown_code == "000001"
    assert "000001" not in repr(sent)
    assert env.queue.ids == []
    assert (await env.verify("000001")).created


@pytest.mark.parametrize("purpose", Purpose)
async def test_result_and_stored_rows_are_the_same_with_and_without_an_account(env, purpose):
    await env.sign_in(MIRA)
    env.advance(minutes=2)

    sent = [await env.request_code(identity, purpose) for identity in (MIRA, RAVI)]
    assert replace(sent[0], challenge="") == replace(sent[1], challenge="")

    assert len(env.queue.ids) == 2
    async with env.uow() as unit:
        for delivery_id, identity in zip(env.queue.ids, (MIRA, RAVI), strict=True):
            claimed = await unit.deliveries.claim(delivery_id, lease=1, now=env.now)
            assert (claimed.identity, claimed.purpose) == (identity, purpose)
        for each, identity in zip(sent, (MIRA, RAVI), strict=True):
            challenge = await unit.challenges.get(token_hash(each.challenge))
            assert (challenge.identity, challenge.purpose) == (identity, purpose)


async def test_hint_is_queued_after_the_commit(env):
    class QueueThatReadsTheDatabase(FakeDeliveryQueue):
        stored = None

        async def put(self, delivery_id) -> None:
            # An open writing transaction would block this one.
            async with asyncio.timeout(30), env.uow() as unit:
                source = block_of(env.ports, env.client).name
                challenge = await unit.challenges.latest(MIRA, Purpose.SIGN_IN, source)
                self.stored = challenge, await unit.deliveries.claim(delivery_id, lease=1, now=env.now)
            await super().put(delivery_id)

    queue = QueueThatReadsTheDatabase()
    env.code_delivery = CodeDelivery(senders=env.code_delivery.senders, queue=queue, cipher=env.code_delivery.cipher)
    await env.request_code()

    assert None not in queue.stored
    assert len(queue.ids) == 1


async def test_identity_that_no_sender_reaches_is_refused_and_not_counted(env):
    env.code_delivery = CodeDelivery(
        senders={IdentityKind.EMAIL: FakeOtpSender()}, queue=env.queue, cipher=FakeCipher()
    )

    with pytest.raises(InvalidInput) as refusal:
        await env.request_code(RAVI)

    assert refusal.value.field == "mobile_number"
    assert refusal.value.message == "codes are not sent there: give email"
    assert env.queue.ids == []
    assert env.audit.notes == []
    assert env.rate_limiter.keys_remembered == 0
    env.code_delivery = None
    assert (await env.request_code(RAVI)).shown_code


async def test_second_code_waits_for_the_resend_time_and_the_first_stays_valid(env):
    code = await env.send()
    env.advance(seconds=20)

    with pytest.raises(TooManyRequests) as refusal:
        await env.send()

    assert refusal.value.retry_after == 40
    assert len(env.sender.sent) == 1
    assert (await env.verify(code)).created


async def test_second_code_voids_the_first(env):
    first = await env.send()
    env.advance(seconds=60)
    second = await env.send()

    with pytest.raises(OtpInvalid):
        await env.verify(first)
    assert (await env.verify(second)).created


async def test_sixth_code_of_an_hour_waits_until_the_first_is_an_hour_old(env):
    for _ in range(5):
        await env.send()
        env.advance(minutes=5)

    with pytest.raises(TooManyRequests) as refusal:
        await env.send()
    assert refusal.value.retry_after == 35 * 60

    env.advance(seconds=refusal.value.retry_after)
    await env.send()
    assert len(env.sender.sent) == 6


async def test_hourly_refusal_does_not_count_as_a_send(env):
    for _ in range(5):
        await env.send()
        env.advance(seconds=60)
    env.advance(seconds=3300 - 10)

    for _ in range(2):
        with pytest.raises(TooManyRequests) as refusal:
            await env.send()
        assert refusal.value.retry_after == 10

    env.advance(seconds=10)
    await env.send()


async def test_refused_send_does_not_count_against_the_hour(env):
    for _ in range(5):
        await env.send()
        for _ in range(3):
            with pytest.raises(TooManyRequests):
                await env.send()
        env.advance(seconds=60)

    assert len(env.sender.sent) == 5


async def test_resend_times_of_purposes_are_separate(env):
    await env.request_code(MIRA, Purpose.SIGN_IN)
    await env.request_code(MIRA, Purpose.RESET)

    for purpose in Purpose:
        with pytest.raises(TooManyRequests):
            await env.request_code(MIRA, purpose)


async def test_purposes_share_the_hourly_limit_of_their_identity(env):
    for purpose in (Purpose.SIGN_IN, Purpose.RESET, Purpose.SIGN_IN, Purpose.RESET, Purpose.SIGN_IN):
        await env.request_code(MIRA, purpose)
        env.advance(minutes=2)

    with pytest.raises(TooManyRequests) as refusal:
        await env.request_code(MIRA, Purpose.RESET)
    assert refusal.value.retry_after == 50 * 60


async def test_limits_of_identities_are_separate(env):
    await env.send(MIRA)
    await env.send(RAVI)

    assert [identity for identity, _, _ in env.sender.sent] == [MIRA, RAVI]


async def test_without_a_resend_time_codes_may_be_sent_at_once(env):
    env.code_policy = CodePolicy(resend_seconds=0)

    await env.send()
    await env.send()

    assert len(env.sender.sent) == 2


async def test_keys_of_the_rate_limiter_do_not_contain_the_identity(env):
    class RecordingRateLimiter:
        def __init__(self) -> None:
            self.keys: list[str] = []

        async def take_all(self, *uses: LimitedUse) -> float:
            self.keys += [use.key for use in uses]
            return 0.0

    recording = RecordingRateLimiter()
    env.rate_limits = IdentityRateLimits(rate_limiter=recording, key=b"a key", audit=env.audit)
    await env.request_code()

    assert len(set(recording.keys)) == 3
    assert not [key for key in recording.keys if "mira" in key or "example" in key]


async def test_refused_request_voids_and_sends_nothing(env):
    await env.request_code()
    queued = list(env.queue.ids)
    with pytest.raises(TooManyRequests):
        await env.request_code()

    assert env.queue.ids == queued
    assert env.audit.events == [AuditEvent.CODE_REQUESTED, AuditEvent.THROTTLED]
    await env.deliver_codes()
    assert len(env.sender.sent) == 1


@pytest.mark.parametrize("ask", ["code", "sign-up"])
async def test_number_that_no_sms_reaches_is_refused_and_not_counted(env, ask):
    for number in ("+449098790000", "+447400123456"):
        env.mobile_numbers = PhoneNumbers(["IN"])
        identity = Identity(IdentityKind.MOBILE_NUMBER, number)
        with pytest.raises(InvalidInput) as refusal:
            await (env.request_code(identity) if ask == "code" else env.sign_up(identity))
        assert refusal.value.field == "mobile_number"

    assert env.rate_limiter.keys_remembered == 0
    assert env.queue.ids == []
