"""Log lines: one JSON object per line, or coloured text for a person; our own and those of libraries alike."""

from __future__ import annotations

import json
import logging
from enum import Enum
from typing import TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

__all__ = ["LogFormat", "adopt_library_logs", "open_log"]

FIRST_KEYS = ("ts", "level", "event")
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class LogFormat(Enum):
    """The words of `--log-format`."""

    JSON = "json"
    CONSOLE = "console"


def open_log(log_format: LogFormat, stream: TextIO) -> FilteringBoundLogger:
    """Return a logger that writes lines of level info and above to `stream`.

    A line that cannot be written (a full disk, a reader that is gone) is lost, and its method returns False: a policy
    is followed, and a certificate renewed, whether or not that can be told. Tracebacks show lines of code, never the
    values of variables: those may hold secrets.
    """
    last: tuple[Processor, ...] = (
        (structlog.processors.format_exc_info, _ordered, structlog.processors.JSONRenderer(serializer=_to_json))
        if log_format is LogFormat.JSON
        else (_ordered, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    )
    logger: FilteringBoundLogger = structlog.wrap_logger(
        _Lines(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return logger


def adopt_library_logs(log: FilteringBoundLogger) -> None:
    """Make what libraries log (uvicorn, asyncio, aiohttp), from level warning, lines of `log`."""
    logging.basicConfig(handlers=[_Forwarder(log)], level=logging.WARNING, force=True)


class _Lines:
    """What structlog hands finished lines to: each method writes one, and says whether that succeeded."""

    def __init__(self, stream: TextIO) -> None:
        self._writer = structlog.WriteLogger(stream)

    def msg(self, line: str) -> bool:
        """Write a line at once. ValueError is what a stream says that is closed."""
        try:
            self._writer.msg(line)
        except (OSError, ValueError):
            return False
        return True

    info = warning = error = critical = msg


class _Forwarder(logging.Handler):
    """Hands records of the standard library's logging on."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as an event of its own; a failure to do so is the standard library's to report."""
        try:
            self._log.log(
                record.levelno, "library", logger=record.name, msg=record.getMessage(), exc_info=record.exc_info
            )
        except Exception:  # noqa: BLE001 - the contract of logging.Handler: logging never breaks the program
            self.handleError(record)


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put first what every line has."""
    return {key: event[key] for key in FIRST_KEYS} | dict(event)


def _to_json(event: EventDict, **_options: object) -> str:
    """Encode a line. Text that is no valid Unicode is escaped rather than lost."""
    try:
        return _ENCODER.encode(event).decode()
    except UnicodeEncodeError:
        return json.dumps(event, default=str)
