"""HTTP endpoints for listing and ending sessions; every sign-in on a device has one."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.params import PathParameter
from msgspec import Struct

from parley.adapters.http.auth import BEARER, AuthenticatedRequest
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import SESSION_ID, described, example
from parley.adapters.http.openapi.operation import link, operation
from parley.adapters.http.pagination import Limit, NextCursor, SessionCursor, id_cursor, read_id_cursor
from parley.adapters.http.ports import Ports
from parley.core.accounts.errors import SessionNotFound
from parley.core.accounts.model import Session
from parley.core.accounts.sessions import end_session, log_out, read_sessions

SessionId = Annotated[
    UUID, PathParameter(description="The session's id, from GET /auth/sessions", examples=example(SESSION_ID))
]


class SessionBody(Struct):
    """A sign-in on a device."""

    id: Annotated[UUID, described("The session's id", SESSION_ID)]
    current: Annotated[bool, described("Whether it is the session of this request", True)]
    opened_by: Annotated[Literal["code", "password"], described("How the person signed in", "code")]
    user_agent: Annotated[
        str | None, described("The User-Agent header of the sign-in", "Mozilla/5.0 (X11; Linux x86_64)")
    ]
    created_at: Annotated[datetime, described("When the person signed in", "2026-11-21T09:28:00Z")]
    last_used_at: Annotated[datetime, described("When its tokens were last renewed", "2026-11-21T09:28:00Z")]
    expires_at: Annotated[
        datetime, described("When the session ends unless its tokens are renewed", "2026-12-21T09:28:00Z")
    ]


class SessionPageBody(Struct):
    """Active sessions, newest first."""

    items: Annotated[list[SessionBody], described("The sessions of this page")]
    next_cursor: NextCursor


class SessionController(Controller):
    path = "/auth"
    tags = ("Sign-in",)
    security = BEARER

    @post("/logout", status_code=204, operation_id="logOut", summary="Sign out", responses=problems(401))
    async def log_out(self, request: AuthenticatedRequest, ports: Ports) -> None:
        """Revokes its access and refresh tokens. Other API processes refuse them within a second."""
        await log_out(ports.accounts, caller=request.user)

    @get(
        "/sessions",
        operation_id="listSessions",
        summary="List the sessions",
        operation_class=operation(
            links={
                200: {
                    "end": link(
                        "endSession", "The newest session", parameters={"session_id": "$response.body#/items/0/id"}
                    )
                }
            }
        ),
        responses=problems(400, 401),
    )
    async def read_all(
        self, request: AuthenticatedRequest, ports: Ports, limit: Limit = 50, cursor: SessionCursor = None
    ) -> SessionPageBody:
        """Live sessions, newest first."""
        found, older = await read_sessions(
            ports.accounts, account_id=request.user.account_id, before=read_id_cursor(cursor), limit=limit
        )
        items = [session_body(session, current=request.user.session_id) for session in found]
        return SessionPageBody(items, id_cursor(older))

    @delete(
        "/sessions/{session_id:uuid}",
        operation_id="endSession",
        summary="End a session",
        responses=problems(400, 401, SessionNotFound()),
    )
    async def end(self, session_id: SessionId, request: AuthenticatedRequest, ports: Ports) -> None:
        """Logs that device out. It may be the session of this request."""
        await end_session(ports.accounts, account_id=request.user.account_id, session_id=session_id)


def session_body(session: Session, *, current: UUID | None) -> SessionBody:
    return SessionBody(
        id=session.id,
        current=session.id == current,
        opened_by=session.opened_by.value,
        user_agent=session.user_agent,
        created_at=session.opened_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
    )
