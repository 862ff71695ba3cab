"""The preference `wait` of the Prefer header (RFC 7240)."""

import re

LONGEST_WAIT = 30
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*", re.IGNORECASE)


def wait_seconds(prefer: str | None) -> int | None:
    """The seconds to wait, at most LONGEST_WAIT; None without that preference."""
    for preference in (prefer or "").split(","):
        wait = _WAIT.fullmatch(preference.partition(";")[0])
        if wait:
            return min(int(wait[1]), LONGEST_WAIT)
    return None
