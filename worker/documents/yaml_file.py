"""YAML: all documents of a file, written anew."""

from __future__ import annotations

import yaml

from worker.documents.encoding import decoded

# The parser in C is ten times as fast; the emitter in C writes some characters differently.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def text(content: bytes) -> str:
    """What an alias stands for is not repeated, so the text cannot grow far beyond the file."""
    documents = yaml.load_all(decoded(content), Loader=LOADER)
    return yaml.dump_all(documents, allow_unicode=True, sort_keys=False)
