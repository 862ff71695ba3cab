"""The account's sessions over HTTP: one for each sign-in on a device."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, delete, get, post
from litestar.params import FromPath
from msgspec import Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.pages import Cursor, Limit, id_cursor, read_id_cursor
from parley.adapters.http.ports import Ports
from parley.adapters.http.problems import documented
from parley.core.accounts.errors import SessionNotFound
from parley.core.accounts.model import Caller, Session
from parley.core.accounts.sessions import end_session, read_sessions


class SessionBody(Struct):
    """A sign-in. `user_agent` is what the device called itself then; `current` marks the session that asks."""

    id: UUID
    current: bool
    opened_by: Literal["code", "password"]
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class SessionPageBody(Struct):
    items: list[SessionBody]
    next_cursor: str | None


class SessionController(Controller):
    path = "/auth"
    tags = ("Sign-in",)
    security = BEARER

    @post("/logout", status_code=204, operation_id="logOut", summary="End this session", responses=documented(401))
    async def log_out(self, request: Request[Caller, Any, Any], ports: Ports) -> None:
        """Its access and refresh tokens are refused from now on; other API processes know within a second."""
        try:
            await _end(request.user.session_id, request, ports, how="logout")
        except SessionNotFound:
            # Ended meanwhile, or expired: which is what was asked for.
            return

    @get("/sessions", operation_id="listSessions", summary="Where you are signed in", responses=documented(400, 401))
    async def read_all(
        self, request: Request[Caller, Any, Any], ports: Ports, limit: Limit = 50, cursor: Cursor = None
    ) -> SessionPageBody:
        """Live sessions, the newest first."""
        found, older = await read_sessions(
            uow=ports.accounts,
            account_id=request.user.account_id,
            before=read_id_cursor(cursor),
            limit=limit,
            now=ports.now(),
        )
        items = [session_body(session, current=request.user.session_id) for session in found]
        return SessionPageBody(items, id_cursor(older))

    @delete(
        "/sessions/{session_id:uuid}",
        operation_id="endSession",
        summary="End a session",
        responses=documented(400, 401, 404),
    )
    async def end(self, session_id: FromPath[UUID], request: Request[Caller, Any, Any], ports: Ports) -> None:
        """As logging out on that device. It may be the session that asks."""
        await _end(session_id, request, ports, how="ended")


def session_body(session: Session, *, current: UUID) -> SessionBody:
    return SessionBody(
        id=session.id,
        current=session.id == current,
        opened_by=session.opened_by.value,
        user_agent=session.user_agent,
        created_at=session.opened_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
    )


async def _end(session_id: UUID, request: Request[Caller, Any, Any], ports: Ports, *, how: str) -> None:
    await end_session(
        uow=ports.accounts,
        revoked=ports.revoked,
        audit=ports.audit,
        account_id=request.user.account_id,
        session_id=session_id,
        how=how,
        now=ports.now(),
    )
