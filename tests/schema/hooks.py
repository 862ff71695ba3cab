"""What Schemathesis is told of parley beyond the document: who calls, and texts that only some things make."""

import hmac
import os
import time
from datetime import UTC, datetime
from itertools import cycle
from typing import Any
from uuid import uuid4

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.generation.meta import TestPhase

from parley.adapters.http.pagination import id_cursor, position_cursor, room_cursor
from parley.core.chat.model import RoomCursor
from tests.schema.people import OWN_EMAIL, PROOFS, owner, visitor

WEBHOOK_SECRET = os.environ["SCHEMA_WEBHOOK_SECRET"]
# Each of these takes the account or its sessions away from whoever calls it.
ENDING = {"logOut", "eraseAccount", "changePassword"}
turns = cycle((True, False))

times = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
places = st.builds(RoomCursor, times, st.uuids())
FORMATS = {
    # Possible in India's numbering plan; what is possible elsewhere no pattern says.
    "phone": st.integers(6_000_000_000, 9_999_999_999).map("+91{}".format),
    "model": st.just("offline/echo"),
    "cursor-of-chatrooms": places.map(room_cursor),
    "cursor-of-sessions": st.uuids().map(id_cursor),
    "cursor-of-messages": st.integers(0, 999_999_999).map(position_cursor),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)


@schemathesis.auth(refresh_interval=None)
class Caller:
    """One account calls everything but what would end its sessions: that has an account or a session of its own."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        operation = operation_of(context)
        if operation in ENDING:
            return visitor().sign_in(f"{uuid4()}@parley.invalid").token
        if operation == "endSession":
            return self._one_to_end(case)
        return owner().token

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"
        if not is_positive(case):
            return
        if context.operation.path.endswith("/webhook/stripe"):
            case._auth = Signature()
        # Every other call, so that what is not known here is asked for as well.
        if next(turns):
            give_what_exists(operation_of(context), case)

    def _one_to_end(self, case: schemathesis.Case) -> str:
        session = visitor().sign_in(OWN_EMAIL)
        if str(case.path_parameters.get("session_id")) == owner().session_id or next(turns):
            case.path_parameters["session_id"] = session.session_id
        return session.token


def give_what_exists(operation: str, case: schemathesis.Case) -> None:
    """What no generator guesses: a code that was sent, a token that was given, a chatroom of the caller's."""
    if isinstance(case.body, dict) and operation in PROOFS:
        PROOFS[operation](case.body)
    # Stateful cases know what they made and what they deleted.
    if "chatroom_id" in case.path_parameters and case.meta.phase.name != TestPhase.STATEFUL:
        case.path_parameters |= {
            name: value for name, value in owner().new_reply().items() if name in case.path_parameters
        }


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Any, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """No schema lists the 10,000 most common passwords: that a valid text is refused as one of them is right."""
    if failure.title != "Schema-valid request rejected" or response.status_code != 400:
        return True
    errors = response.json().get("errors", [])
    return [error["message"].partition(",")[0] for error in errors] != ["is among the most common passwords"]


class Signature(requests.auth.AuthBase):
    """Of the bytes that are sent, as Stripe signs them."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body: Any = request.body or b""
        seconds = str(int(time.time()))
        signed = f"{seconds}.".encode() + (body if isinstance(body, bytes) else body.encode())
        digest = hmac.digest(WEBHOOK_SECRET.encode(), signed, "sha256").hex()
        request.headers["Stripe-Signature"] = f"t={seconds},v1={digest}"
        return request


def operation_of(context: schemathesis.AuthContext) -> str:
    return context.operation.definition.raw["operationId"]


def is_positive(case: schemathesis.Case) -> bool:
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE
