"""Every table of a release: whoever looks at ``Base.metadata`` as a whole imports it from here."""

from __future__ import annotations

from worker.store import batch_models, release_models, schedule_models
from worker.store.models import Base

#: Modules with tables of their own, beside ``models.py``.
MODULES = (batch_models, release_models, schedule_models)

__all__ = ["MODULES", "Base"]
