"""Why a database cannot be used, for the operator: each cause by its own sentence.

A sentence continues one that begins with the database's name, holds no values, and says what to do.
"""

import errno
import re
import socket
import sqlite3
import ssl

FULL_POOLER = "has no connection left in its pooler: raise its max_client_conn, or lower DATABASE_CONNECTIONS"
UNREACHABLE = "does not answer: start the server, and let this machine connect to it"
NO_PREPARED_STATEMENTS = (
    "is behind a pooler that loses prepared statements: add statement_cache_size=0 to the parameters of DATABASE_URL"
)
_STARTING = "is starting up or shutting down: wait for it"
_WRONG_PASSWORD = "does not accept the password of this user: correct it in DATABASE_URL"  # noqa: S105
_MISSING = "does not exist: create the database first"
DAMAGED = "is damaged: restore a backup"
_BROKEN = "broke the connection off: the server, or what is in between, ended it"

# Beginnings of SQLSTATE codes (PostgreSQL, appendix A), longer ones first.
_STATES = {
    "25006": "is read-only: name the primary server, or end its default_transaction_read_only",
    "25P": "ended a transaction that paused: raise its idle_in_transaction_session_timeout",
    "26000": NO_PREPARED_STATEMENTS,
    "28000": "does not let this user in: create the role with LOGIN, and allow it and this machine in pg_hba.conf",
    "28P01": _WRONG_PASSWORD,
    "3D000": _MISSING,
    "3F000": "has no schema to make tables in: create the first schema of search_path",
    "42501": "does not give this user a right that parley needs: grant it all rights on the schema and its tables",
    "42P05": NO_PREPARED_STATEMENTS,
    "53100": "cannot be written: the disk of its server is full",
    "53200": "has no memory left: see the log of its server",
    "53300": "has no connection left: raise its max_connections, or lower DATABASE_CONNECTIONS",
    "55P03": "did not give a lock within its lock_timeout: raise that",
    "57014": "did not finish a statement in time: see its load and its statement_timeout",
    "57P01": _STARTING,
    "57P02": "crashed and starts again: see the log of its server",
    "57P03": _STARTING,
    "57P04": "was dropped: create the database again, and restore a backup",
    "57P05": _BROKEN,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "08": _BROKEN,
    "40": "ended a transaction that was in conflict with another",
    "53": "lacks a resource: see the log of its server",
    "58": "cannot read or write its files: see the log of its server",
}
# PgBouncer's own errors, which are all of state 08P01 in its older versions, by what they say (its source: strings of
# `disconnect_client`).
_POOLER_SAYS = {
    "no more connections allowed": FULL_POOLER,
    "no such database": "is not known to the pooler: name it in the pooler's [databases]",
    "no such user": "is behind a pooler that does not know this user: name it in the pooler's auth_file",
    "unsupported startup parameter": "is behind a pooler that refuses a parameter of DATABASE_URL: leave it out, or "
    "name it in the pooler's ignore_startup_parameters",
    "password authentication failed": _WRONG_PASSWORD,
    "auth failed": _WRONG_PASSWORD,
    "query_wait_timeout": "has no connection left in its pooler: raise the pooler's pool_size",
    "query_timeout": "did not finish a statement in time: see its load and the pooler's query_timeout",
    "server login": "is behind a pooler that cannot log in to the server: see the pooler's log",
    "server connect": "is behind a pooler that cannot reach the server: start the server",
    "shut": _STARTING,
}
_SQLITE = {
    "SQLITE_NOTADB": "is not a SQLite database: name another file, or a new one",
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_CANTOPEN": "cannot be opened: its folder must exist, and this user must be able to write there",
    "SQLITE_READONLY": "is read-only: let this user write the file and its folder",
    "SQLITE_PERM": "is read-only: let this user write the file and its folder",
    "SQLITE_BUSY": "is locked by another program: end that program",
    "SQLITE_FULL": "cannot be written: the disk is full",
    "SQLITE_IOERR": "cannot be read or written: the disk, or a limit of its size, reports an error",
    "SQLITE_NOMEM": "cannot be used: this machine has no memory left",
}
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64  # X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def cause_of_state(state: str, message: str = "") -> str | None:
    """The sentence of a SQLSTATE code; None for one that says that a statement is wrong."""
    if state == "08P01":
        said = (sentence for words, sentence in _POOLER_SAYS.items() if words in message)
        return next(said, _BROKEN)
    return next((sentence for beginning, sentence in _STATES.items() if state.startswith(beginning)), None)


def cause_of_connecting(error: BaseException) -> str:
    """The sentence of an OSError, of which TLS's are some."""
    if isinstance(error, ssl.SSLError):
        return _cause_of_tls(error)
    if isinstance(error, socket.gaierror):
        return "is on a host that is not known: correct its name in DATABASE_URL"
    if isinstance(error, TimeoutError):
        return UNREACHABLE
    if "rejected SSL upgrade" in str(error):
        return "does not speak TLS: switch ssl on at the server, or change sslmode in DATABASE_URL"
    return _cause_of_errno(error)


def _cause_of_tls(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "cannot be reached by TLS: its server and this machine share no version or cipher, or it needs sslcert"
    if error.verify_code in {_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH}:
        return "has a certificate for another name: write the server in DATABASE_URL as its certificate names it"
    return "has a certificate that is not trusted: name the file of its authority as sslrootcert in DATABASE_URL"


def _cause_of_errno(error: BaseException) -> str:
    # asyncio joins the errors of several addresses of one name into a text.
    numbers = {getattr(error, "errno", None), *map(int, _ERRNO.findall(str(error)))}
    if errno.ECONNREFUSED in numbers:
        return "refuses the connection: start the server, and correct its host and port in DATABASE_URL"
    if errno.ENOENT in numbers:
        return "has no socket in that folder: start the server, or correct the host in DATABASE_URL"
    if numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return "is not reachable over this network: correct its host in DATABASE_URL, or the routes"
    if isinstance(error, ConnectionError):
        return _BROKEN
    return UNREACHABLE


def cause_of_sqlite(error: sqlite3.Error) -> str | None:
    """The sentence of an error of the file; None for one that says that a statement is wrong."""
    # Extended names begin with these, such as SQLITE_READONLY_DBMOVED.
    name = getattr(error, "sqlite_errorname", None) or ""
    return next((sentence for beginning, sentence in _SQLITE.items() if name.startswith(beginning)), None)
