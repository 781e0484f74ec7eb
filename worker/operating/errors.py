"""What operators are told when what they ask for cannot be done as they say it."""

from __future__ import annotations


class Unusable(Exception):
    """A request of an operator with a value that cannot be used; nothing was changed. The message is a sentence and safe to show."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        #: Name of the value to blame, if it is one.
        self.field = field
