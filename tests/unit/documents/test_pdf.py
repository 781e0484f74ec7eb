import pypdf

from tests.unit.documents.making import pdf_file
from worker.documents import pdf


def test_pages_follow_each_other_without_anything_between():
    assert pdf.text(pdf_file("First page", "Second")) == "First pageSecond"


def test_where_no_text_is_found_another_library_looks_too(monkeypatch):
    monkeypatch.setattr(pypdf.PageObject, "extract_text", lambda page: "found")

    assert pdf.text(pdf_file("", "")) == "foundfound"
    assert pdf.text(pdf_file("seen", "")) == "seen"


def test_the_second_search_ends_in_time_and_does_not_fail(monkeypatch):
    assert pdf.text(pdf_file("", "")) == ""
    monkeypatch.setattr(pdf, "SECOND_ATTEMPT_S", 0.0)
    monkeypatch.setattr(pypdf.PageObject, "extract_text", lambda page: "found")
    assert pdf.text(pdf_file("", "")) == ""


def test_a_failure_of_the_second_search_means_no_text(monkeypatch):
    def fail(page):
        raise KeyError("/Font")

    monkeypatch.setattr(pypdf.PageObject, "extract_text", fail)

    assert pdf.text(pdf_file("")) == ""
