"""Words of texts and of queries meet."""

import pytest

from worker.knowledge.terms import TERM_LENGTH, document_terms, query_terms


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("REFUNDS", "a refund"),
        ("policies", "one policy"),
        ("Straße", "STRASSE"),
        ("\uff21\uff42\uff43", "abc"),
        ("退款", "什么时候退款"),
        ("款", "退款"),
        ("東京タワー", "東京"),
        ("환불을", "환불"),
        ("GPT4模型", "gpt4"),
    ],
)
def test_a_query_shares_a_term_with_the_text_it_means(query, text):
    assert set(query_terms(query)) & set(document_terms(text))


@pytest.mark.parametrize(("query", "text"), [("bus", "bu"), ("glass", "glas"), ("退货", "款退"), ("", "a"), ("?!", "?!")])
def test_what_differs_shares_none(query, text):
    assert not set(query_terms(query)) & set(document_terms(text))


def test_documents_keep_repetitions_and_single_characters_where_queries_do_not():
    assert document_terms("退款退款 pay pay") == ["退", "款", "退", "款", "退款", "款退", "退款", "pay", "pay"]
    assert query_terms("退款退款 pay pay") == ["退款", "款退", "pay"]


def test_terms_are_letters_and_digits_of_bounded_length():
    terms = document_terms("it's \"a_b\" 'c' \\d\0e " + "z" * 3000)

    assert all(term.isalnum() and len(term) <= TERM_LENGTH for term in terms)
    assert terms[:7] == ["it", "s", "a", "b", "c", "d", "e"]
