"""Words by which texts are found: the same for every database, and for languages that put no spaces between words.

Latin and other words are folded to one case and lose an English plural; of Chinese, Japanese, Korean and Thai, every pair of neighbouring
characters is a term. Documents also have the single characters, for queries of one character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: Thai; kana; Chinese characters with their extensions; Hangul syllables.
UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"

RUN = re.compile(rf"([{UNSPACED}]+)|([^\W_{UNSPACED}]+)")

#: Characters of a term that count: PostgreSQL takes no lexeme of more than 2 KB.
TERM_LENGTH = 64


def document_terms(text: str) -> list[str]:
    """In the order of the text, repetitions included."""
    terms: list[str] = []
    for run, is_unspaced in _runs(text):
        terms += [*run, *_pairs(run)] if is_unspaced else [_stem(run)]
    return terms


def query_terms(text: str) -> list[str]:
    """Without repetitions."""
    terms: dict[str, None] = {}
    for run, is_unspaced in _runs(text):
        terms |= dict.fromkeys((_pairs(run) or [run]) if is_unspaced else [_stem(run)])
    return list(terms)


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    for match in RUN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        unspaced, word = match.groups()
        yield (unspaced, True) if unspaced else (word[:TERM_LENGTH], False)


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)]


def _stem(word: str) -> str:
    """Without the ending of an English plural (Harman's S-stemmer: three endings, each with its exceptions)."""
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and not word.endswith(("aies", "eies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "ss")) else word
