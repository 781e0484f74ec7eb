"""Texts to speech and recordings to text, by the models that the deployment names for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from worker.engine.models import NOT_INITIALIZED, ModelError, ModelRef, Models, Stopper
from worker.speech.mp3 import whole_frames
from worker.speech.offline import OFFLINE, speak_offline
from worker.speech.sentences import portions

#: HTTP statuses of a provider that does not know a voice.
REFUSALS = (400, 404, 422)


def model_of(setting: str) -> ModelRef | None:
    """``provider/model``; model names may have slashes of their own. None: nothing is set."""
    provider, _, name = setting.partition("/")
    return ModelRef(provider, name) if provider else None


@dataclass(frozen=True, slots=True)
class Voice:
    """Speaks texts as an app wants them spoken."""

    models: Models
    model: ModelRef | None
    #: Empty: the provider's default.
    name: str

    def speak(self, text: str, cancellation: Stopper | None = None) -> Iterator[bytes]:
        """MP3 in pieces that can be decoded one by one. Raises ``ModelError``."""
        for portion in portions(text):
            yield from whole_frames(self._speak(portion, cancellation))

    def _speak(self, text: str, cancellation: Stopper | None) -> Iterator[bytes]:
        if self.model is None:
            raise ModelError("No model speaks in this deployment: set PENSTOCK_SPEECH_MODEL.", code=NOT_INITIALIZED)
        if self.model.provider == OFFLINE:
            return speak_offline(text, (self.name, self.model.name), cancellation)
        return self._ask(self.model, text, cancellation)

    def _ask(self, model: ModelRef, text: str, cancellation: Stopper | None) -> Iterator[bytes]:
        has_spoken = False
        try:
            for audio in self.models.speak(model, text, self.name, cancellation):
                has_spoken = True
                yield audio
        except ModelError as error:
            if has_spoken or not self.name or error.status not in REFUSALS:
                raise
            # The voices that a document names are those of the provider that it was made with (api-contract.md section 7).
            yield from self.models.speak(model, text, "", cancellation)
