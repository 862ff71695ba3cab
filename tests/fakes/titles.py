"""Titles that are still to be written, in memory."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from parley.core.chat.model import Claim
from parley.core.chat.naming import Naming
from parley.core.chat.title_store import TitleClaim
from parley.core.ports import Clock
from tests.fakes.database import Tables, TitleJob


class FakeTitles:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def request(self, reply: Claim) -> None:
        room, _ = self._tables.rooms.get(reply.room_id, (None, 0))
        if room is not None and room.naming is Naming.FIRST_WORDS:
            job = TitleJob(reply.room_id, reply.position, reply.charged_on, self._clock())
            self._tables.title_jobs.setdefault(reply.room_id, job)

    async def claim(self, room_id: UUID, *, lease: float) -> TitleClaim | None:
        job = self._tables.title_jobs.get(room_id)
        if job is None or job.claimable_at > self._clock():
            return None
        job = replace(job, attempt=job.attempt + 1, claimable_at=self._clock() + timedelta(seconds=lease))
        self._tables.title_jobs[room_id] = job
        room, _ = self._tables.rooms[room_id]
        return TitleClaim(room_id, job.position, job.charged_on, job.attempt, room.account_id, room.model)

    async def renew(self, claim: TitleClaim, *, lease: float) -> bool:
        return await self.postpone(claim, seconds=lease)

    async def postpone(self, claim: TitleClaim, *, seconds: float) -> bool:
        job = self._held(claim)
        if job is not None:
            due = self._clock() + timedelta(seconds=seconds)
            self._tables.title_jobs[claim.room_id] = replace(job, claimable_at=due)
        return job is not None

    async def end(self, claim: TitleClaim, title: str | None) -> bool:
        if self._held(claim) is None:
            return False
        del self._tables.title_jobs[claim.room_id]
        room, last_position = self._tables.rooms[claim.room_id]
        if room.naming is Naming.FIRST_WORDS:
            named = replace(room, name=title or room.name, naming=Naming.FINAL)
            self._tables.rooms[claim.room_id] = (named, last_position)
        return True

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        since = self._clock() - timedelta(seconds=seconds)
        jobs = sorted(self._tables.title_jobs.items(), key=lambda job: job[1].claimable_at)
        return [room_id for room_id, job in jobs if job.claimable_at <= since][:limit]

    def _held(self, claim: TitleClaim) -> TitleJob | None:
        job = self._tables.title_jobs.get(claim.room_id)
        return job if job is not None and job.attempt == claim.attempt else None
