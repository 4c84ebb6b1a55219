"""A fault that lasts, said once: when it begins, and when it becomes another one.

Law: what is looked at each second is not complained of each second: who reads the log at night looks for what is new.
"""

import logging


class Complaint:
    """`words` have one `%s`, for the fault."""

    def __init__(self, logger: logging.Logger, words: str) -> None:
        self._logger = logger
        self._words = words
        self._said: str | None = None

    def make(self, error: Exception) -> None:
        if str(error) != self._said:
            self._logger.warning(self._words, error)
        self._said = str(error)

    def withdraw(self) -> None:
        """Say it again when it comes again."""
        self._said = None
