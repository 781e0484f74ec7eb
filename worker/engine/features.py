"""``workflow.features``: what of it matters to a workflow app (dsl.md section 8), and how clients read it (api-contract.md section 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import FormError
from worker.engine.file_types import IMAGE, FileRules, texts
from worker.engine.values import File

DEFAULT_NUMBER_LIMIT = 3
DEFAULT_METHODS = ("remote_url", "local_file")

#: Shown for features that a workflow does not set.
DISABLED: Mapping[str, Any] = {"enabled": False}
DEFAULTS: Mapping[str, Any] = {
    "opening_statement": None,
    "suggested_questions": [],
    "suggested_questions_after_answer": DISABLED,
    "speech_to_text": DISABLED,
    "text_to_speech": DISABLED,
    "retriever_resource": DISABLED,
    "annotation_reply": DISABLED,
    "more_like_this": DISABLED,
    "sensitive_word_avoidance": {"enabled": False, "type": "", "configs": []},
}


def feature_parameters(features: Mapping[str, Any]) -> dict[str, Any]:
    """What ``GET /v1/parameters`` tells beside the form and the system limits."""
    shown = {name: default if features.get(name) is None else features[name] for name, default in DEFAULTS.items()}
    return {**shown, "file_upload": file_upload_parameters(features)}


@dataclass(frozen=True, slots=True)
class SpeechFeature:
    """``text_to_speech``: whether texts of the app can be spoken, by which voice, and whether its runs are without being asked."""

    is_enabled: bool
    #: Empty: the provider's default.
    voice: str
    is_automatic: bool

    @classmethod
    def of(cls, features: Mapping[str, Any]) -> SpeechFeature:
        stored = _mapping(features.get("text_to_speech"))
        is_enabled = stored.get("enabled") is True
        return cls(is_enabled, str(stored.get("voice") or ""), is_enabled and stored.get("autoPlay") == "enabled")


def takes_recordings(features: Mapping[str, Any]) -> bool:
    """Whether ``speech_to_text`` is enabled."""
    return _mapping(features.get("speech_to_text")).get("enabled") is True


def file_upload_parameters(features: Mapping[str, Any]) -> dict[str, Any]:
    """Old and new shape in one, so that readers of either find theirs (api-contract.md section 6.2)."""
    stored = _mapping(features.get("file_upload"))
    if not stored:
        return {"image": _image_defaults()}
    config = current_upload(stored)
    given = {key: value for key, value in _mapping(stored.get("image")).items() if value is not None}
    image = {**_derived_image(config), **given}
    return {**_upload_defaults(), **config, "image": {key: image[key] for key in _image_defaults()}}


def _upload_defaults() -> dict[str, Any]:
    lists: dict[str, Any] = {"allowed_file_types": [], "allowed_file_extensions": [], "allowed_file_upload_methods": []}
    return {"enabled": False, **lists, "number_limits": DEFAULT_NUMBER_LIMIT}


def _image_defaults() -> dict[str, Any]:
    return {"enabled": False, "number_limits": DEFAULT_NUMBER_LIMIT, "detail": "high", "transfer_methods": list(DEFAULT_METHODS)}


def _derived_image(config: Mapping[str, Any]) -> dict[str, Any]:
    """The old shape's block for a configuration of the new shape."""
    return {
        **_image_defaults(),
        "enabled": bool(config.get("enabled")) and IMAGE in texts(config.get("allowed_file_types")),
        "number_limits": _limit(config),
        "transfer_methods": texts(config.get("allowed_file_upload_methods")) or list(DEFAULT_METHODS),
    }


def current_upload(stored: Mapping[str, Any]) -> dict[str, Any]:
    """``file_upload`` in the new shape (dsl.md section 8): an enabled old ``image`` block takes precedence and is taken out."""
    image = _mapping(stored.get("image"))
    rest = {key: value for key, value in stored.items() if key != "image"}
    if not image.get("enabled"):
        return rest
    return {
        **rest,
        "enabled": True,
        "number_limits": _limit(image),
        "allowed_file_types": rest.get("allowed_file_types") or [IMAGE],
        "allowed_file_extensions": rest.get("allowed_file_extensions") or [],
        "allowed_file_upload_methods": texts(image.get("transfer_methods")) or list(DEFAULT_METHODS),
    }


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What ``files`` of a run request must keep to."""

    rules: FileRules
    number_limit: int

    @classmethod
    def of(cls, features: Mapping[str, Any]) -> UploadRules | None:
        """None where uploads are not enabled: then every file passes."""
        config = current_upload(_mapping(features.get("file_upload")))
        return cls(FileRules.of(config), _limit(config)) if config.get("enabled") else None

    def check_counts(self, files: Sequence[File]) -> None:
        """Raises ``FormError`` for too many files; images are counted first."""
        if sum(file.type == IMAGE for file in files) > self.number_limit:
            raise FormError(f"Number of image files exceeds the maximum limit {self.number_limit}")
        if len(files) > self.number_limit:
            raise FormError(f"Number of files exceeds the maximum limit {self.number_limit}")


def _limit(config: Mapping[str, Any]) -> int:
    """``number_limits``, also written as text; 0 and anything odd mean the default."""
    value = config.get("number_limits")
    is_number = isinstance(value, int | str) and re.fullmatch(r"[0-9]{1,9}", str(value))
    return int(str(value)) if is_number and int(str(value)) else DEFAULT_NUMBER_LIMIT


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
