"""Logging outages of the database: a line at the begin and at the end, not for every failure."""

from dataclasses import dataclass, field

import structlog

from parley.adapters.sql.engine.failures import DatabaseUnavailable, StatementGivenUp, StatementsRefused
from parley.core.ports import Outage, UnreportedOutage

log = structlog.get_logger("parley.database")


@dataclass(frozen=True, slots=True)
class DatabaseOutages:
    """The outages of one database: of connections, and of statements, such as all that write on a full disk."""

    connections: Outage = field(default_factory=UnreportedOutage)
    statements: Outage = field(default_factory=UnreportedOutage)

    def noticed(self, failure: DatabaseUnavailable) -> None:
        """The failure begins or prolongs an outage, or is of a single statement and has its own log line."""
        match failure:
            case StatementGivenUp():
                log.warning("statement_given_up", cause=failure.sentence)
            case StatementsRefused():
                self.statements.failed(failure.sentence)
            case _:
                self.connections.failed(failure.sentence)

    def worked(self, *, committed: bool) -> None:
        """A unit of work came to its end. One that only read says nothing of statements that write."""
        self.connections.succeeded()
        if committed:
            self.statements.succeeded()
