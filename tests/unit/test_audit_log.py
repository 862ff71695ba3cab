import re
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from parley.adapters.security.audit_log import LoggedAudit
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind

KEY = b"k" * 32
MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")
ACCOUNT, SESSION = UUID(int=1), UUID(int=2)


def noted(event_kind=AuditEvent.SIGNED_IN, *, key=KEY, **facts):
    with capture_logs() as lines:
        LoggedAudit(key).note(event_kind, **facts)
    [line] = lines
    return line


def test_a_line_says_what_is_known_and_names_nobody():
    line = noted(identity=MIRA, account_id=ACCOUNT, session_id=SESSION, how="password")
    mark = line.pop("identity")
    assert line == {
        "event": "signed_in",
        "log_level": "info",
        "account_id": str(ACCOUNT),
        "session_id": str(SESSION),
        "how": "password",
    }
    assert re.fullmatch(r"email:[0-9a-f]{12}", mark)


def test_a_line_leaves_out_what_is_not_known():
    assert noted() == {"event": "signed_in", "log_level": "info"}


def test_lines_about_one_person_can_be_joined():
    mark = noted(identity=MIRA)["identity"]
    assert noted(AuditEvent.SIGN_IN_FAILED, identity=MIRA)["identity"] == mark
    assert noted(identity=RAVI)["identity"].startswith("mobile_number:")
    assert noted(identity=RAVI)["identity"].partition(":")[2] != mark.partition(":")[2]


def test_a_mark_leads_to_nobody_without_the_key():
    assert noted(identity=MIRA, key=b"x" * 32)["identity"] != noted(identity=MIRA)["identity"]


WARNINGS = {
    AuditEvent.SIGN_IN_FAILED, AuditEvent.RESET_FAILED, AuditEvent.CHANGE_FAILED, AuditEvent.REFRESH_FAILED,
    AuditEvent.TOKEN_REUSED, AuditEvent.THROTTLED, AuditEvent.CODE_NOT_DELIVERED,
}  # fmt: skip


@pytest.mark.parametrize("event_kind", AuditEvent)
def test_what_an_operator_may_have_to_look_into_is_a_warning(event_kind):
    assert noted(event_kind)["log_level"] == ("warning" if event_kind in WARNINGS else "info")
