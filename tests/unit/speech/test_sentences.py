import pytest

from worker.speech.sentences import SentenceBatches, portions


def spoken(text: str, size: int) -> list[str]:
    """Batches of a text that arrives ``size`` characters at a time."""
    batches = SentenceBatches()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return [batch for batch in [*map(batches.add, pieces), batches.rest()] if batch]


def test_each_batch_needs_one_sentence_more_until_seven_are_enough() -> None:
    text = "".join(f"Sentence {number}." for number in range(45))

    counts = [batch.count(".") for batch in spoken(text, 1)]

    assert counts == [2, 3, 4, 5, 6, 7, 7, 7, 4]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_nothing_is_lost_or_said_twice(size: int) -> None:
    text = "One. Two! 三。Four? And an end without a stop"

    assert "".join(spoken(text, size)) == text


def test_a_batch_ends_with_its_last_complete_sentence() -> None:
    batches = SentenceBatches()

    assert batches.add("One. Two") == ""
    assert batches.add("! And th") == "One. Two!"
    assert batches.rest() == " And th"
    assert batches.rest() == ""


def test_a_piece_with_many_sentences_is_one_batch() -> None:
    assert SentenceBatches().add("1. 2. 3. 4. 5") == "1. 2. 3. 4."


def test_a_long_text_is_cut_behind_sentences() -> None:
    assert list(portions("One. Two. Three.", 10)) == ["One. Two.", " Three."]


def test_a_long_sentence_is_cut_behind_words_and_a_long_word_anywhere() -> None:
    assert list(portions("one two three", 9)) == ["one two ", "three"]
    assert list(portions("abcdefgh", 3)) == ["abc", "def", "gh"]


def test_blanks_are_not_spoken() -> None:
    assert list(portions(" \n ")) == []
