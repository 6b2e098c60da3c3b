"""Structured logging: readable lines in development, JSON in production, secrets scrubbed in both."""

import logging
from typing import Any

from alwrity_billing import scrubbing

# What the logging module itself puts on a record; every other attribute was passed as `extra`.
OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class ScrubbingFilter(logging.Filter):
    """Takes secrets out of a record before the handler sees it: message, arguments, extras, exception.

    The record itself is changed, so that no handler that comes later can leak what this one would not.
    """

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub `record`; never drops one, never raises."""
        record.msg, record.args = scrubbing.text(_message(record)), ()
        if record.exc_info:
            record.exc_text = record.exc_text or self._formatter.formatException(record.exc_info)
            record.exc_info = None
        record.exc_text = record.exc_text and scrubbing.text(record.exc_text)
        record.stack_info = record.stack_info and scrubbing.text(record.stack_info)
        for name in vars(record).keys() - OWN_ATTRIBUTES:
            setattr(record, name, scrubbing.value(name, getattr(record, name)))
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a wrong format string must cost the caller neither the line nor an error
        return f"{record.msg!r} {record.args!r}"


def configuration(*, json: bool, level: str) -> dict[str, Any]:
    """Django's LOGGING: one scrubbed handler on stderr for everything.

    Django's own handlers are taken away: they would print, or mail, what was not scrubbed.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"scrub": {"()": "alwrity_billing.logs.ScrubbingFilter"}},
        "formatters": {
            "lines": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": ["levelname", "name", "message"],
                "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "exception"},
                "timestamp": "time",
            },
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json" if json else "lines",
                "filters": ["scrub"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # Two lines for every call: what comes of one is logged where it matters.
            "stripe": {"level": "WARNING"},
        },
    }
