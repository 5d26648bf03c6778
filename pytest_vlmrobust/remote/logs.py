"""Keeps keys out of logs: the libraries below log the headers of replies, where a server may echo them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from pytest_vlmrobust.remote.spec import Key

_LIBRARIES = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
_LATE = ("connection", "http11", "http2", "proxy", "socks")
"""Loggers of httpcore, some of which it makes when it first needs them."""


class Scrubbing(logging.Filter):
    """Blots a key out of what the libraries of HTTP log, as long as it is put on."""

    def __init__(self, key: Key) -> None:
        """Take the key; nothing is filtered yet."""
        super().__init__()
        self._key = key
        self._on: list[logging.Logger] = []

    def put_on(self) -> None:
        """Filter from now on. A filter of a logger does not reach those below it, so each has one."""
        self.take_off()
        self._on = list(_loggers())
        for logger in self._on:
            logger.addFilter(self)

    def take_off(self) -> None:
        """Filter no longer."""
        for logger in self._on:
            logger.removeFilter(self)
        self._on = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the key."""
        message = record.getMessage()
        scrubbed = self._key.scrub(message)
        if scrubbed != message:
            record.msg, record.args = scrubbed, ()
        if record.exc_info:
            told = logging.Formatter().formatException(record.exc_info)
            if self._key.scrub(told) != told:
                record.exc_info, record.exc_text = None, self._key.scrub(told)
        return True


def _loggers() -> Iterator[logging.Logger]:
    """Yield all loggers of the libraries that there are, and those that may come."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LIBRARIES]
    late = [f"{library}.{name}" for library in _LIBRARIES if "core" in library for name in _LATE]
    for name in dict.fromkeys([*names, *late]):
        yield logging.getLogger(name)
