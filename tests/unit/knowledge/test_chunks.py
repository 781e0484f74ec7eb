"""Texts are cut where a reader would cut them, and nothing of them is lost."""

import pytest

from worker.knowledge.chunks import CHUNK_LENGTH, OVERLAP, chunks_of


def paragraphs(count: int, length: int) -> str:
    return "\n\n".join(f"{number:03d} ".ljust(length, "x") for number in range(count))


def test_a_short_text_is_one_chunk():
    assert chunks_of("  First.\n\nSecond.\n") == ["First.\n\nSecond."]


@pytest.mark.parametrize("text", ["", " \n\t\n ", "\n"])
def test_a_blank_text_has_no_chunks(text):
    assert chunks_of(text) == []


def test_chunks_end_with_paragraphs():
    chunks = chunks_of(paragraphs(10, 200))

    assert len(chunks) > 1
    assert all(chunk.startswith("0") and chunk.endswith("x") and len(chunk) <= CHUNK_LENGTH for chunk in chunks)
    assert all(any(f"{number:03d} " in chunk for chunk in chunks) for number in range(10))


def test_a_chunk_begins_with_the_end_of_the_one_before_it():
    first, second, *_ = chunks_of(paragraphs(30, 60))

    shared = next(length for length in range(OVERLAP, 0, -1) if second.startswith(first[-length:]))
    assert 0 < shared <= OVERLAP


def test_a_long_paragraph_is_cut_between_sentences():
    chunks = chunks_of(" ".join(f"This is sentence number {number} of many." for number in range(60)))

    assert all(chunk.startswith("This") and chunk.endswith("many.") for chunk in chunks)


def test_sentences_of_languages_without_spaces_are_told_apart():
    chunks = chunks_of("".join(f"这是第{number}个句子。" for number in range(200)))

    assert len(chunks) > 1
    assert all(chunk.startswith("这是第") and chunk.endswith("。") for chunk in chunks)


def test_a_text_without_any_border_is_cut_by_length():
    chunks = chunks_of("y" * (2 * CHUNK_LENGTH + 10))

    assert [len(chunk) for chunk in chunks] == [CHUNK_LENGTH, CHUNK_LENGTH, 10]
