"""Schemathesis hooks: authentication, and values that no generator can guess."""

import hmac
import os
import time
from datetime import UTC, datetime
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.auths import RequestsAuth
from schemathesis.generation.meta import TestPhase

from parley.adapters.http.pagination import id_cursor, position_cursor, room_cursor, search_cursor
from parley.core.chat.model import RoomCursor
from parley.core.chat.search import SearchCursor
from tests.schema.people import OWN_EMAIL, PROOFS, next_address, owner, visitor

WEBHOOK_SECRET = os.environ["SCHEMA_WEBHOOK_SECRET"]
# Operations that end the caller's sessions or erase the account.
ENDING_SESSIONS = {"logOut", "eraseAccount", "changePassword"}
# 0 and 1 are read as false and true, and null in an address as left out.
LENIENT = ("pinned", "archived", "head", "stream", "store", "background", "include_usage", "starting_after")
every_other = cycle((True, False))

times = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
room_positions = st.builds(RoomCursor, times, st.uuids())
search_positions = st.builds(SearchCursor, st.integers(0, 999_999), st.integers(0, 500))
FORMATS = {
    # Mobile numbers of India, since no pattern describes those of all countries. All that begin with 9 are.
    "phone": st.integers(9_000_000_000, 9_999_999_999).map("+91{}".format),
    # «=?» begins an encoded word (RFC 2047), which is refused.
    "email": st.emails().filter(lambda email: "=?" not in email),
    "model": st.just("offline/echo"),
    "cursor-of-chatrooms": room_positions.map(room_cursor),
    "cursor-of-sessions": st.uuids().map(id_cursor),
    "cursor-of-api-keys": st.uuids().map(id_cursor),
    "cursor-of-deliveries": st.uuids().map(id_cursor),
    "cursor-of-messages": st.integers(0, 999_999_999).map(position_cursor),
    "cursor-of-shared": st.integers(0, 999_999_999).map(position_cursor),
    "cursor-of-search": st.builds(search_cursor, search_positions),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)


@schemathesis.auth(refresh_interval=None)
class Caller:
    """One account for all operations, except those in ENDING_SESSIONS, which get a new account or session each."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        operation = operation_of(context)
        if operation in ENDING_SESSIONS:
            return visitor().sign_in(f"{uuid4()}@parley.invalid").token
        if operation == "endSession":
            return self._new_session(case)
        return owner().token

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"
        # Failed guesses count for a day by address.
        case.headers["X-Forwarded-For"] = next_address()
        if not is_positive(case):
            return
        if context.operation.path.endswith("/webhook/stripe"):
            RequestsAuth(Signature()).set(case, None, context)
        # Only in every other case, so that unknown values are tested too.
        if next(every_other):
            insert_existing_values(operation_of(context), case)
            if operation_of(context) == "listInputItems" and case.query:
                # The id of an item.
                case.query.pop("after", None)

    def _new_session(self, case: schemathesis.Case) -> str:
        session = visitor().sign_in(OWN_EMAIL)
        if str(case.path_parameters.get("session_id")) == owner().session_id or next(every_other):
            case.path_parameters["session_id"] = session.session_id
        return session.token


def insert_existing_values(operation: str, case: schemathesis.Case) -> None:
    """Replace values that no generator can guess: a sent code, an issued token, a chatroom of the caller."""
    if isinstance(case.body, dict) and operation in PROOFS:
        PROOFS[operation](case.body)
    if operation == "readShared":
        case.path_parameters["token"] = owner().shared_token()
    _insert_ids_of_openai(operation, case)
    # Stateful cases use the chatrooms that they created.
    if "chatroom_id" in case.path_parameters and case.meta.phase.name != TestPhase.STATEFUL:
        reply = owner().new_reply()
        case.path_parameters |= {name: value for name, value in reply.items() if name in case.path_parameters}
        if operation == "showBranch" and isinstance(case.body, dict):
            case.body["message_id"] = reply["message_id"]


def _insert_ids_of_openai(operation: str, case: schemathesis.Case) -> None:
    if "response_id" in case.path_parameters:
        case.path_parameters["response_id"] = f"resp_{UUID(owner().new_reply()['message_id']).hex}"
    if "conversation_id" in case.path_parameters:
        reply = owner().new_reply()
        case.path_parameters["conversation_id"] = f"conv_{UUID(reply['chatroom_id']).hex}"
        if "item_id" in case.path_parameters:
            case.path_parameters["item_id"] = f"msg_{UUID(reply['message_id']).hex}_0"


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Any, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """Ignore refusals of what no schema describes, such as the 10,000 most common passwords, and lenient reading.

    Ignore what the server refuses before it knows the operation, too: heads and addresses that are too long.
    """
    if response.status_code in {414, 431}:
        return response.json()["code"] not in {"address_too_long", "head_too_large"}
    if failure.title == "Created resource not found":
        # A new chatroom has no message to show.
        return response.json()["code"] != "message_not_found"
    if failure.title == "Schema-violating request accepted":
        return not any(f"{name}: Incorrect type" in failure.message for name in LENIENT)
    if failure.title != "Schema-valid request rejected" or response.status_code != 400:
        return True
    is_sentence = response.headers["content-type"][0].startswith("text/plain")
    if is_sentence or "error" in response.json():
        refusal = response.text if is_sentence else response.json()["error"]["message"]
        return not refusal.endswith(
            (
                "is not supported here",
                "only text is",
                # A message has a role, an item of reasoning has none.
                "user or assistant",
                "that is supported",
                "the user's",
                "have an id",
                "characters",
                "is required",
                "mark or symbol",
                "of this list",
                "of this response",
                "for what is stored",
                "together with conversation",
                "message of the user",
                "unpaired surrogates",
            )
        )
    [*messages] = [error["message"].partition(",")[0].partition(":")[0] for error in response.json().get("errors", [])]
    return messages not in (
        ["is among the most common passwords"],
        ["must be one of those of the plan"],
        ["must be in the future"],
        # The generator sets one of two alternatives to null.
        ["is missing"],
    )


class Signature(requests.auth.AuthBase):
    """Signs the sent bytes as Stripe does."""

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
