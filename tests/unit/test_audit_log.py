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


def test_line_has_the_given_facts_and_no_identity():
    line = noted(identity=MIRA, account_id=ACCOUNT, session_id=SESSION, how="password")
    pseudonym = line.pop("identity")
    assert line == {
        "event": "signed_in",
        "log_level": "info",
        "account_id": str(ACCOUNT),
        "session_id": str(SESSION),
        "how": "password",
    }
    assert re.fullmatch(r"email:[0-9a-f]{12}", pseudonym)


def test_line_of_an_operator_says_who_and_which_accounts():
    line = noted(AuditEvent.ACCOUNTS_LISTED, by="operator", account_ids=(ACCOUNT, SESSION))
    assert (line["by"], line["account_ids"]) == ("operator", [str(ACCOUNT), str(SESSION)])
    assert "account_ids" not in noted(AuditEvent.ACCOUNTS_LISTED, by="operator", account_ids=())


def test_line_leaves_out_facts_that_are_not_given():
    assert noted() == {"event": "signed_in", "log_level": "info"}


def test_lines_about_one_identity_have_the_same_pseudonym():
    pseudonym = noted(identity=MIRA)["identity"]
    assert noted(AuditEvent.SIGN_IN_FAILED, identity=MIRA)["identity"] == pseudonym
    assert noted(identity=RAVI)["identity"].startswith("mobile_number:")
    assert noted(identity=RAVI)["identity"].partition(":")[2] != pseudonym.partition(":")[2]


def test_pseudonym_depends_on_the_key():
    assert noted(identity=MIRA, key=b"x" * 32)["identity"] != noted(identity=MIRA)["identity"]


WARNINGS = {
    AuditEvent.SIGN_IN_FAILED, AuditEvent.RESET_FAILED, AuditEvent.CHANGE_FAILED, AuditEvent.REFRESH_FAILED,
    AuditEvent.ERASURE_FAILED, AuditEvent.TOKEN_REUSED, AuditEvent.THROTTLED, AuditEvent.CODE_NOT_DELIVERED,
    AuditEvent.TOKEN_REFUSED, AuditEvent.FOREIGN_ID, AuditEvent.BUDGET_SPENT, AuditEvent.OPERATOR_REFUSED,
}  # fmt: skip


@pytest.mark.parametrize("event_kind", AuditEvent)
def test_failures_and_reuse_are_warnings(event_kind):
    assert noted(event_kind)["log_level"] == ("warning" if event_kind in WARNINGS else "info")


def test_an_expired_token_is_no_warning():
    assert noted(AuditEvent.TOKEN_REFUSED, how="expired")["log_level"] == "info"
    assert noted(AuditEvent.TOKEN_REFUSED, how="signature")["log_level"] == "warning"
