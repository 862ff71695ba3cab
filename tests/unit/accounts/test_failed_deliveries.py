"""Codes that their sender does not take, or not at once."""

from dataclasses import replace

import pytest

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.model import AuditEvent, IdentityKind
from parley.core.accounts.ports import SenderRefused, SenderUnavailable
from tests.unit.accounts.desk import MIRA, RAVI
from tests.unit.accounts.outer_world import Envelopes
from tests.unit.accounts.post_room import DELIVERED, NOT_DELIVERED, asked, hint, requeued, waiting


async def test_unavailable_sender_is_tried_again_after_growing_delays_until_it_is_back(desk):
    delivery_id = await asked(desk)
    delays = [2, 6, 18, 54, 60, 60]
    desk.outbox.failures = [SenderUnavailable("busy") for _ in delays]
    await hint(desk, delivery_id)
    for number, delay in enumerate(delays, start=1):
        desk.later(seconds=delay - 0.1)
        await hint(desk, delivery_id)
        assert len(desk.outbox.failures) == len(delays) - number
        desk.later(seconds=0.1)
        await hint(desk, delivery_id)

    assert desk.outbox.minutes == [7]
    requested, delivered = DELIVERED
    assert desk.audit.happenings == [requested, *[AuditEvent.CODE_POSTPONED] * len(delays), delivered]
    assert desk.audit.notes[1].how == "busy"
    assert await waiting(desk) == 0


async def test_what_was_put_off_is_found_by_the_sweep(desk):
    delivery_id = await asked(desk)
    desk.outbox.failures = [SenderUnavailable("busy")]
    await hint(desk, delivery_id)
    desk.later(seconds=4)

    assert await requeued(desk) == 1


@pytest.mark.parametrize(("life", "tries"), [(2, 1), (3, 2), (8, 2), (9, 3)])
async def test_code_that_would_be_too_late_is_given_up_and_noted(desk, life, tries):
    desk.policy = CodePolicy(expire_seconds=life)
    delivery_id = await asked(desk)
    desk.outbox.failures = [SenderUnavailable("busy") for _ in range(9)]
    for delay in (2, 6, 18):
        await hint(desk, delivery_id)
        desk.later(seconds=delay)

    assert len(desk.outbox.failures) == 9 - tries
    requested, given_up = NOT_DELIVERED
    assert desk.audit.happenings == [requested, *[AuditEvent.CODE_POSTPONED] * (tries - 1), given_up]
    assert (desk.audit.notes[-1].identity, desk.audit.notes[-1].how) == (MIRA, "busy")
    assert await waiting(desk) == 0


async def test_expired_code_is_not_sent(desk):
    delivery_id = await asked(desk)
    desk.later(minutes=10)
    await hint(desk, delivery_id)

    assert desk.outbox.sent == []


async def test_refused_code_is_tried_once_and_noted(desk):
    delivery_id = await asked(desk)
    desk.outbox.failures = [SenderRefused("no such mailbox")]
    await hint(desk, delivery_id)
    desk.later(minutes=5)
    await hint(desk, delivery_id)

    assert desk.outbox.sent == []
    assert desk.audit.happenings == NOT_DELIVERED
    assert desk.audit.notes[-1].how == "no such mailbox"
    assert await requeued(desk) == 0


async def test_code_whose_secret_was_rotated_away_is_noted(desk):
    class Rotated(Envelopes):
        def decrypt(self, _sealed: bytes) -> str:
            raise ValueError

    delivery_id = await asked(desk)
    desk.post = replace(desk.post, cipher=Rotated())
    await hint(desk, delivery_id)

    assert desk.audit.happenings == NOT_DELIVERED
    assert desk.audit.notes[-1].how == "the secret that sealed the code is not in JWT_SECRET any more"
    assert await waiting(desk) == 0


async def test_code_for_a_kind_of_identity_without_a_sender_any_more_is_noted(desk):
    delivery_id = await asked(desk, RAVI)
    desk.post = replace(desk.post, senders={IdentityKind.EMAIL: desk.outbox})
    await hint(desk, delivery_id)

    assert desk.audit.happenings == NOT_DELIVERED
    assert desk.audit.notes[-1].how == "no sender of today's settings reaches this kind of identity"
    assert await waiting(desk) == 0
