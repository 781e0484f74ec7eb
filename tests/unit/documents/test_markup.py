"""Formats of marked-up text, a line for each block: presentations, OpenDocument, books, messages."""

from email.message import EmailMessage

import pytest

from tests.unit.documents.making import epub_file, msg_file, odt_file, pptx_file, shape, zipped
from worker.documents import eml_file as eml
from worker.documents import epub_file as epub
from worker.documents import html
from worker.documents import msg_file as msg
from worker.documents import odt_file as odt
from worker.documents import pptx_file as pptx
from worker.documents.reading import DocumentRefused


def test_blocks_of_a_page_are_lines():
    page = """<html><head><title>T</title><style>p {}</style></head><body>
        <h1>Head</h1>text <b>bold</b><p>Para &amp;
        more&nbsp;of it<br>next</p><script>x()</script><ul><li>a<li>b</ul><table><tr><td>1<td>2</tr></table></body></html>"""

    assert html.page_lines(page) == ["Head", "text bold", "Para & more of it", "next", "a", "b", "1 2"]


def test_an_empty_page_has_no_lines():
    assert html.page_lines(" \n") == []


def test_slides_are_in_the_order_of_the_presentation_each_with_its_notes():
    notes = {2: shape("say this") + shape("7", placeholder="sldNum")}

    assert (
        pptx.text(pptx_file([shape("second"), shape("Title", "two\nlines") + shape("  ")], notes)) == "Title\ntwo\nlines\nsay this\nsecond"
    )


def test_rows_of_a_table_are_lines_and_substitutes_and_page_numbers_are_not():
    cells = "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>" for text in ("a", "", "b"))
    shapes = (
        f"<p:graphicFrame><a:tbl><a:tr>{cells}</a:tr></a:tbl></p:graphicFrame>"
        f"<mc:AlternateContent><mc:Choice>{shape('new')}</mc:Choice><mc:Fallback>{shape('old')}</mc:Fallback></mc:AlternateContent>"
        f"{shape('1', placeholder='sldNum')}<p:grpSp>{shape('grouped')}</p:grpSp>"
    )

    assert pptx.text(pptx_file([shapes])) == "a\t\tb\nnew\ngrouped"


def test_an_archive_without_a_presentation_is_refused():
    with pytest.raises(DocumentRefused, match="no presentation"):
        pptx.text(zipped({"a": "b"}))


def test_opendocument_blocks_are_lines():
    row = (
        "<table:table-row><table:table-cell><text:p>a</text:p><text:p>b</text:p></table:table-cell><table:table-cell/>{}</table:table-row>"
    )
    body = (
        '<text:h>Head</text:h><text:p>one<text:s text:c="3"/>two<text:tab/>three<text:line-break/>four</text:p><text:p/>'
        f"<table:table>{row.format('<table:table-cell><text:p>c</text:p></table:table-cell>')}</table:table>"
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>"
    )

    assert odt.text(odt_file(body)) == "Head\none   two\tthree\nfour\na b\t\tc\nitem"


def test_opendocument_blanks_are_no_way_to_make_a_long_text():
    assert len(odt.text(odt_file('<text:p>a<text:s text:c="1000000000"/>b</text:p>'))) < 2000


def test_chapters_are_in_reading_order():
    chapters = {
        "b.xhtml": "<p>second</p>",
        "text/a%20b.xhtml": "<?xml version='1.0'?><!DOCTYPE html><html><p>first&nbsp;one</p></html>",
        "c.xhtml": "<p>never</p>",
    }

    assert epub.text(epub_file(chapters, order=["text/a%20b.xhtml", "b.xhtml"])) == "first one\nsecond"


def test_a_book_that_lacks_a_chapter_is_refused():
    with pytest.raises(DocumentRefused, match=r"there is no OEBPS/book\.opf in it"):
        epub.text(zipped({"META-INF/container.xml": '<container><rootfile full-path="OEBPS/book.opf"/></container>'}))


def message(plain: str | None = None, page: str | None = None) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "A subject"
    if plain is not None:
        made.set_content(plain, cte="8bit")
    if page is not None:
        made.add_alternative(page, subtype="html")
    return made


def test_lines_of_a_message_are_those_of_its_formatted_body():
    both = message("plain", "<p>Dear <b>Ann</b>,</p><div>bye</div>")
    both.add_attachment(b"secret", maintype="text", subtype="plain", filename="a.txt")

    assert eml.text(both.as_bytes()) == "Dear Ann,\nbye"
    assert eml.text(message("Hällo,\n\n  you \n").as_bytes()) == "Hällo,\nyou"


def test_body_in_an_unknown_or_undeclared_encoding_is_read():
    assert eml.text(b"Content-Type: text/plain; charset=nonsense\n\nh\xc3\xa4llo\n") == "hällo"
    assert eml.text("Subject: x\n\n姓名和城市\n".encode("gbk")) == "姓名和城市"


def test_a_message_without_text_is_refused():
    with pytest.raises(DocumentRefused, match="no body"):
        eml.text(b"Content-Type: image/png\n\nxx\n")


def test_outlook_messages_are_read_like_others():
    plain, page = "Hällo,\r\n\r\nyou".encode("utf-16-le"), b"<p>Dear <b>Ann</b></p>"

    assert msg.text(msg_file(p1000001F=plain)) == "Hällo,\nyou"
    assert msg.text(msg_file(p1000001E="größer als".encode("cp1252"))) == "größer als"
    assert msg.text(msg_file(p1000001F=plain, p10130102=page)) == "Dear Ann"
    with pytest.raises(DocumentRefused, match="no body"):
        msg.text(msg_file(p0037001F=plain))
