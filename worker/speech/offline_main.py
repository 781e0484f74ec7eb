"""The program that speaks without any account: text on stdin, MP3 on stdout. Arguments: voices, the first one that is known counts.

A process of its own: the library behind it is written in C, knows one text at a time and cannot be interrupted. Imports nothing of
the product, and needs the packages of ``penstock[voice]``.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: Exit status where those packages are missing.
NOT_INSTALLED = 3

#: Values of speak_lib.h: hand samples to a callback before ``espeak_Synth`` returns; do not exit on errors; the text is UTF-8.
AUDIO_OUTPUT_SYNCHRONOUS = 2
DONT_EXIT = 0x8000
CHARS_UTF8 = 1

#: Milliseconds of samples that the callback gets at a time; kilobits a second of the MP3.
BUFFER_MS = 200
BIT_RATE = 64

SAMPLE_BYTES = 2


def main(voices: Sequence[str]) -> int:
    try:
        import espeakng_loader
        import lameenc
    except ImportError:
        return NOT_INSTALLED
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = str(Path(espeakng_loader.get_data_path())).encode()
    rate = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, data, DONT_EXIT)
    if rate <= 0 or not any(library.espeak_SetVoiceByName(voice.encode()) == 0 for voice in [*voices, "en"]):
        return 1
    encoder = make_encoder(lameenc, rate)
    speak(library, sys.stdin.buffer.read(), lambda samples: write(encoder.encode(samples)))
    write(encoder.flush())
    return 0


def make_encoder(lameenc: Any, rate: int) -> Any:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(rate)
    encoder.set_channels(1)
    encoder.set_bit_rate(BIT_RATE)
    # 2 is the best and slowest quality, 7 the fastest.
    encoder.set_quality(5)
    return encoder


def speak(library: Any, text: bytes, take: Callable[[bytes], None]) -> None:
    """``take`` gets signed samples of 16 bits."""

    def on_samples(samples: int | None, count: int, events: int | None) -> int:
        if samples and count > 0:
            take(ctypes.string_at(samples, count * SAMPLE_BYTES))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(on_samples)
    library.espeak_SetSynthCallback(callback)
    library.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *[ctypes.c_uint] * 4, ctypes.c_void_p, ctypes.c_void_p]
    library.espeak_Synth(text, len(text) + 1, 0, 0, 0, CHARS_UTF8, None, None)


def write(audio: bytes) -> None:
    sys.stdout.buffer.write(audio)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
