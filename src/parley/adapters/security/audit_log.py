"""The audit trail as log lines that contain no identities."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from parley.core.accounts.model import AuditEvent, Identity, keyed_hash

PSEUDONYM_DIGITS = 12

# Logged as warnings, because an operator may have to investigate them.
_WARNINGS = frozenset(
    {
        AuditEvent.TOKEN_REUSED,
        AuditEvent.TOKEN_REFUSED,
        AuditEvent.FOREIGN_ID,
        AuditEvent.THROTTLED,
        AuditEvent.BUDGET_SPENT,
        AuditEvent.CODE_NOT_DELIVERED,
        AuditEvent.OPERATOR_REFUSED,
    }
) | frozenset(event_kind for event_kind in AuditEvent if event_kind.value.endswith("_failed"))
# What happens to every client from time to time: the end of a token's life.
_USUAL = "expired"

log = structlog.get_logger("parley.audit")


class LoggedAudit:
    """Logs one line for each event. An identity appears as a pseudonym, the same in every line, that `key` derives."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def note(
        self,
        event_kind: AuditEvent,
        *,
        identity: Identity | None = None,
        account_id: UUID | None = None,
        session_id: UUID | None = None,
        api_key_id: UUID | None = None,
        how: str | None = None,
        by: str | None = None,
        account_ids: Sequence[UUID] | None = None,
    ) -> None:
        facts = {
            "identity": self._pseudonym(identity) if identity else None,
            "account_id": str(account_id) if account_id else None,
            "session_id": str(session_id) if session_id else None,
            "api_key_id": str(api_key_id) if api_key_id else None,
            "how": how,
            "by": by,
            "account_ids": [str(each) for each in account_ids] if account_ids else None,
        }
        write = log.warning if event_kind in _WARNINGS and how != _USUAL else log.info
        write(event_kind.value, **{name: fact for name, fact in facts.items() if fact is not None})

    def _pseudonym(self, identity: Identity) -> str:
        digits = keyed_hash(self._key, "audit", str(identity)).hex()[:PSEUDONYM_DIGITS]
        return f"{identity.kind.value}:{digits}"
