"""What the store raises. Messages are one sentence and safe to show.

StoreError
├─ StorageUnavailable       the database cannot be reached, is full, or stayed locked; nothing was stored; the API answers 503
├─ SchemaError              the tables are not those of this release
├─ SealError                a value cannot be sealed or opened: there is no key, or it is another one
├─ KeyInProgress            another request with the same idempotency key is being stored; nothing was stored
├─ KeyReused                the idempotency key belongs to another request; nothing was stored
├─ TooManyRuns              an app or a key has as many open runs as it may; nothing was stored
├─ BatchConflict            the status of a batch does not allow what was asked for; nothing was changed
├─ NotResumable             no other run can go on from a run: it has not ended, it succeeded, or its results are gone
├─ FormSubmitted            a form for people has its answer already
├─ FormExpired              a form for people takes no answer any more: its time is up, or its run ends
└─ NotFound                 an app, a version or a key that an operator named does not exist, or the name fits several
RunFenced                   (engine/errors.py) a later attempt owns the run, or it has ended
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of what the store raises on purpose."""


class StorageUnavailable(StoreError):
    """The database did not do its part. The transaction changed nothing, unless the connection broke during its commit."""

    def __init__(self, message: str, *, is_disconnect: bool = False) -> None:
        super().__init__(message)
        #: The connection broke while in use; another one may work.
        self.is_disconnect = is_disconnect


class SchemaError(StoreError):
    """The database has no tables yet, or those of another release."""


class SealError(StoreError):
    """There is no key to seal or open a value with, or the value was sealed with another one."""


class NotFound(StoreError):
    """Nothing, or more than one thing, goes by the given name or id."""


class KeyInProgress(StoreError):
    """Another request with the same idempotency key is being stored just now."""


class KeyReused(StoreError):
    """The idempotency key stands for a request with another body."""


class TooManyRuns(StoreError):
    """An app or a key has as many open runs as it may."""


class BatchConflict(StoreError):
    """The status of a batch does not allow what was asked for."""


class NotResumable(StoreError):
    """No run can go on from this one."""


class FormSubmitted(StoreError):
    """Somebody has answered the form."""


class FormExpired(StoreError):
    """Nobody can answer the form any more."""
