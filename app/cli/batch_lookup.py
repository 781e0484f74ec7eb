"""Batches as an operator names them: by id, of whichever app."""

from __future__ import annotations

import click
from sqlalchemy.orm import Session

from worker.store.batch_facts import BatchFacts, BatchStatus, load_batch
from worker.store.identifiers import canonical_id


def find_batch(session: Session, batch_id: str) -> BatchFacts:
    """Raises ``click.ClickException``."""
    wanted = canonical_id(batch_id)
    found = None if wanted is None else load_batch(session, wanted)
    if found is None or found.status is BatchStatus.VALIDATING:
        raise click.ClickException(f"There is no batch {batch_id!r}.")
    return found
