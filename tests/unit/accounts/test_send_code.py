import asyncio

import pytest

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.codes import CodeSent
from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.model import CODE_TRIES, AuditEvent, IdentityKind, Purpose
from parley.core.accounts.ports import CodeDelivery
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.errors import InvalidInput, TooManyRequests
from tests.unit.accounts.desk import MIRA, RAVI
from tests.unit.accounts.outer_world import Envelopes, Hints, SendBuffer


async def test_code_goes_to_the_sender_and_not_into_the_answer(desk):
    desk.policy = CodePolicy(expire_seconds=300, resend_seconds=30)
    sent = await desk.ask()
    await desk.deliver()

    assert sent == CodeSent(expires_in=300, resend_in=30, shown_code=None)
    assert desk.outbox.sent == [(MIRA, "000001", Purpose.SIGN_IN)]


async def test_without_a_post_the_answer_shows_the_code(desk):
    desk.post = None
    sent = await desk.ask()

    assert sent.shown_code == "000001"
    assert "000001" not in repr(sent)
    assert desk.hints.ids == []
    assert (await desk.verify("000001")).created


@pytest.mark.parametrize("purpose", Purpose)
async def test_known_identity_gets_the_same_answer_as_an_unknown_one_and_leaves_as_much(desk, purpose):
    await desk.sign_in(MIRA)
    desk.later(minutes=2)

    assert await desk.ask(MIRA, purpose) == await desk.ask(RAVI, purpose)

    assert len(desk.hints.ids) == 2
    async with desk.uow() as unit:
        for delivery_id, identity in zip(desk.hints.ids, (MIRA, RAVI), strict=True):
            claimed = await unit.deliveries.claim(delivery_id, lease=1, now=desk.now)
            assert (claimed.identity, claimed.purpose) == (identity, purpose)
            assert await unit.challenges.count_try(identity, purpose, limit=CODE_TRIES, now=desk.now) is not None


async def test_code_and_its_delivery_are_stored_and_no_unit_of_work_open_when_the_hint_is_put(desk):
    class Looking(Hints):
        stored = None

        async def put(self, delivery_id) -> None:
            # An open unit of work would keep this one waiting for ever.
            async with asyncio.timeout(5), desk.uow() as unit:
                mac = await unit.challenges.count_try(MIRA, Purpose.SIGN_IN, limit=CODE_TRIES, now=desk.now)
                self.stored = mac, await unit.deliveries.claim(delivery_id, lease=1, now=desk.now)
            await super().put(delivery_id)

    hints = Looking()
    desk.post = CodeDelivery(senders=desk.post.senders, queue=hints, cipher=desk.post.cipher)
    await desk.ask()

    assert None not in hints.stored
    assert len(hints.ids) == 1


async def test_identity_that_no_sender_reaches_is_refused_by_its_field_and_counts_nowhere(desk):
    desk.post = CodeDelivery(senders={IdentityKind.EMAIL: SendBuffer()}, queue=desk.hints, cipher=Envelopes())

    with pytest.raises(InvalidInput) as refusal:
        await desk.ask(RAVI)

    assert refusal.value.field == "mobile_number"
    assert refusal.value.message == "codes are not sent there: give email"
    assert desk.hints.ids == []
    assert desk.audit.notes == []
    assert desk.rate_limiter.keys_remembered == 0
    desk.post = None
    assert (await desk.ask(RAVI)).shown_code


async def test_second_code_waits_for_the_resend_time_and_the_first_stays_good(desk):
    code = await desk.send()
    desk.later(seconds=20)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.send()

    assert refusal.value.retry_after == 40
    assert len(desk.outbox.sent) == 1
    assert (await desk.verify(code)).created


async def test_second_code_voids_the_first(desk):
    first = await desk.send()
    desk.later(seconds=60)
    second = await desk.send()

    with pytest.raises(OtpInvalid):
        await desk.verify(first)
    assert (await desk.verify(second)).created


async def test_sixth_code_of_an_hour_waits_until_the_first_is_an_hour_old(desk):
    for _ in range(5):
        await desk.send()
        desk.later(minutes=5)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.send()
    assert refusal.value.retry_after == 35 * 60

    desk.later(seconds=refusal.value.retry_after)
    await desk.send()
    assert len(desk.outbox.sent) == 6


async def test_refusal_by_the_hour_names_a_wait_after_which_the_resend_time_is_over_too(desk):
    for _ in range(5):
        await desk.send()
        desk.later(seconds=60)
    desk.later(seconds=3300 - 10)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.send()
    assert refusal.value.retry_after == 60

    desk.later(seconds=60)
    await desk.send()


async def test_refused_send_does_not_count_against_the_hour(desk):
    for _ in range(5):
        await desk.send()
        for _ in range(3):
            with pytest.raises(TooManyRequests):
                await desk.send()
        desk.later(seconds=60)

    assert len(desk.outbox.sent) == 5


async def test_purposes_wait_each_for_itself(desk):
    await desk.ask(MIRA, Purpose.SIGN_IN)
    await desk.ask(MIRA, Purpose.RESET)

    for purpose in Purpose:
        with pytest.raises(TooManyRequests):
            await desk.ask(MIRA, purpose)


async def test_purposes_share_the_hour_of_their_identity(desk):
    for purpose in (Purpose.SIGN_IN, Purpose.RESET, Purpose.SIGN_IN, Purpose.RESET, Purpose.SIGN_IN):
        await desk.ask(MIRA, purpose)
        desk.later(minutes=2)

    with pytest.raises(TooManyRequests) as refusal:
        await desk.ask(MIRA, Purpose.RESET)
    assert refusal.value.retry_after == 50 * 60


async def test_identities_do_not_wait_for_each_other(desk):
    await desk.send(MIRA)
    await desk.send(RAVI)

    assert [identity for identity, _, _ in desk.outbox.sent] == [MIRA, RAVI]


async def test_without_a_resend_time_codes_may_follow_at_once(desk):
    desk.policy = CodePolicy(resend_seconds=0)

    await desk.send()
    await desk.send()

    assert len(desk.outbox.sent) == 2


async def test_throttle_is_not_told_the_identity(desk):
    class Noting:
        def __init__(self) -> None:
            self.keys: list[str] = []

        async def take(self, key: str, **_limit: float) -> float:
            self.keys.append(key)
            return 0.0

    noting = Noting()
    desk.turns = IdentityRateLimits(rate_limiter=noting, key=b"a key", audit=desk.audit)
    await desk.ask()

    assert len(set(noting.keys)) == 2
    assert not [key for key in noting.keys if "mira" in key or "example" in key]


async def test_refused_code_voids_and_sends_nothing(desk):
    await desk.ask()
    hints = list(desk.hints.ids)
    with pytest.raises(TooManyRequests):
        await desk.ask()

    assert desk.hints.ids == hints
    assert desk.audit.happenings == [AuditEvent.CODE_REQUESTED, AuditEvent.THROTTLED]
    await desk.deliver()
    assert len(desk.outbox.sent) == 1
