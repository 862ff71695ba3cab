"""Log lines: for people, or one JSON object each, on standard error."""

import logging
import sys
from typing import Literal

import structlog


def configure_logs(*, form: Literal["console", "json"], level: str) -> None:
    """Every line carries the time in UTC and what is bound to the task, such as the request id.

    Tracebacks come without local variables: those hold passwords and what people wrote.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries speak only when something is wrong.
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelNamesMapping()[level]), format="%(message)s")
