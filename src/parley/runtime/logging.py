"""Log lines on standard error, for people or as one JSON object each."""

import logging
import sys
from io import StringIO
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor


def configure_logs(*, form: Literal["console", "json"], level: str) -> None:
    """Give every line, of libraries too, its time in UTC, its logger, and what is bound to the task, as the request id.

    Tracebacks have no local variables, since those hold passwords and messages.
    """
    render = _json() if form == "json" else _console()
    known: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    numeric_level = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*known, *render],
        wrapper_class=structlog.make_filtering_bound_logger(numeric_level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=known, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
        )
    )
    # Libraries log warnings and errors only.
    logging.basicConfig(level=max(logging.WARNING, numeric_level), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class _Lines(structlog.WriteLogger):
    """Writes each line at once, and has the name that `add_logger_name` reads."""

    def __init__(self, name: str = "parley") -> None:
        super().__init__(sys.stderr)
        self.name = name


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _console() -> list[Processor]:
    return [
        _escape_values,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_escaped_traceback),
    ]


def _escape_values(_: object, __: str, event: EventDict) -> EventDict:
    """Escape what is not printable: it would begin another line, or control the terminal. JSON escapes it too."""
    return {name: _escaped(value) if isinstance(value, str) else value for name, value in event.items()}


def _escaped_traceback(file: TextIO, exc_info: ExcInfo) -> None:
    """A traceback with every line indented, so that no line of an exception's message looks like a line of the log."""
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    file.writelines(f"\n  {_escaped(line)}" for line in text.getvalue().strip("\n").split("\n"))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
