"""Text from clients in console logs: it cannot begin a line of its own, and cannot control a terminal."""

import subprocess
import sys

SCRIPT = """
import logging, structlog
from parley.runtime.logging import configure_logs
configure_logs(form=%r, level="INFO")
odd = "a\\x1b[2Jb\\r\\nc\\x07\\x85d\\u2028e\\u2029f\\x9bg\\u202eh\\x00i"
structlog.get_logger("test").info("event " + odd, path=odd, other=[odd])
logging.getLogger("library").warning("message %%s", odd)
try:
    raise ValueError(odd)
except ValueError:
    structlog.get_logger("test").exception("failed")
    logging.getLogger("library").exception("failed too")
"""


def lines(form: str) -> list[str]:
    """What is logged, split where any reader of logs may begin a new line."""
    done = subprocess.run([sys.executable, "-c", SCRIPT % form], capture_output=True, check=True)
    assert done.stdout == b""
    return done.stderr.decode().splitlines()


def test_console() -> None:
    logged = lines("console")
    assert all(line.isprintable() for line in logged)
    assert sum(r"a\x1b[2Jb\r\nc\x07\x85d\u2028e\u2029f\x9bg\u202eh\x00i" in line for line in logged) == 2
    # The lines of tracebacks are indented.
    assert len([line for line in logged if not line.startswith("  ")]) == 4
    assert any(r"ValueError: a\x1b[2Jb\r" in line for line in logged)


def test_json() -> None:
    assert all(line.isprintable() for line in lines("json"))
    assert len(lines("json")) == 4
