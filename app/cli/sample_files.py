"""Small files for trying workflows that take files, made where they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.dev_http.files import content_of
from worker.engine.file_types import FileRules

#: Extensions by kind, in order of preference.
BY_KIND: Mapping[str, tuple[str, ...]] = {
    "document": ("txt", "pdf", "docx", "xlsx", "csv", "md", "html", "json"),
    "image": ("png", "svg"),
    "audio": ("wav", "mp3"),
    "video": ("mp4",),
}

#: Words in a label that tell what kind of document is meant.
HINTS: Mapping[str, str] = {"pdf": "pdf", "excel": "xlsx", "xlsx": "xlsx", "word": "docx", "docx": "docx", "csv": "csv", "markdown": "md"}


def sample_file(folder: Path, rules: FileRules, words: str) -> Path:
    """A file that the rules allow; ``words`` may hint at its kind. The same file for the same answer."""
    extension = _extension(rules, words)
    path = folder / f"sample.{extension}"
    path.write_bytes(content_of(extension))
    return path


def _extension(rules: FileRules, words: str) -> str:
    kinds = [kind for kind in BY_KIND if not rules.types or kind in rules.types]
    if not kinds:
        known = [ending for endings in BY_KIND.values() for ending in endings if ending in rules.extensions]
        return (known or sorted(rules.extensions) or ["txt"])[0]
    hinted = [ending for word, ending in HINTS.items() if word in words]
    return hinted[0] if hinted and "document" in kinds else BY_KIND[kinds[0]][0]
