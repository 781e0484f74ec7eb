"""Documents of every kind, made by hand where a test needs more, or worse, than a library would write."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

import docx

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def zipped(entries: Mapping[str, bytes | str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return content.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def docx_file(*paragraphs: str) -> bytes:
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def docx_with(body: str, prologue: str = "") -> bytes:
    """A document with other XML in its body, and something in front of its root."""
    document = f'{DECLARATION}{prologue}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    return zipped({**unzipped(docx_file()), "word/document.xml": document})


def relations(*items: tuple[str, str, str]) -> str:
    """Of id, kind and target."""
    lines = (f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{target}"/>' for name, kind, target in items)
    return f'{DECLARATION}<Relationships xmlns="{RELATIONS}">{"".join(lines)}</Relationships>'


def xlsx_file(rows: str, dimension: str = "A1") -> bytes:
    """A workbook of one sheet, from the XML of its rows."""
    sheet = f'{DECLARATION}<worksheet xmlns="{SHEET}"><dimension ref="{dimension}"/><sheetData>{rows}</sheetData></worksheet>'
    return xlsx_with({"Sheet1": sheet})


def xlsx_with(sheets: Mapping[str, str]) -> bytes:
    numbers = range(1, len(sheets) + 1)
    names = "".join(f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>' for number, name in zip(numbers, sheets, strict=True))
    entries = {f"xl/worksheets/sheet{number}.xml": sheet for number, sheet in zip(numbers, sheets.values(), strict=True)}
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    return zipped(
        {
            "[Content_Types].xml": f'{DECLARATION}<Types xmlns="{types}"/>',
            "_rels/.rels": relations(("r1", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'{DECLARATION}<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(*((f"r{number}", "worksheet", f"worksheets/sheet{number}.xml") for number in numbers)),
            **entries,
        }
    )


def pptx_file(slides: Sequence[str], notes: Mapping[int, str] | None = None) -> bytes:
    """From the XML of the shapes of each slide; notes by 1-based number of the slide."""
    entries = {"_rels/.rels": relations(("r1", "officeDocument", "ppt/presentation.xml"))}
    for number, shapes in enumerate(slides, 1):
        entries[f"ppt/slides/slide{number}.xml"] = _slide("sld", shapes)
    for number, shapes in (notes or {}).items():
        entries[f"ppt/slides/_rels/slide{number}.xml.rels"] = relations(("n", "notesSlide", f"../notesSlides/notesSlide{number}.xml"))
        entries[f"ppt/notesSlides/notesSlide{number}.xml"] = _slide("notes", shapes)
    # The order of the slides is that of the presentation, not that of their names.
    order = range(len(slides), 0, -1)
    ids = "".join(f'<p:sldId id="{255 + number}" r:id="s{number}"/>' for number in order)
    entries["ppt/presentation.xml"] = (
        f'{DECLARATION}<p:presentation xmlns:p="{SLIDES}" xmlns:r="{OFFICE}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>'
    )
    entries["ppt/_rels/presentation.xml.rels"] = relations(*((f"s{number}", "slide", f"slides/slide{number}.xml") for number in order))
    return zipped(entries)


def _slide(root: str, shapes: str) -> str:
    compatibility = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    return (
        f'{DECLARATION}<p:{root} xmlns:p="{SLIDES}" xmlns:a="{DRAWING}" xmlns:mc="{compatibility}">'
        f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:{root}>"
    )


def shape(*paragraphs: str, placeholder: str = "") -> str:
    """A shape with text; what each paragraph has, by lines."""
    kind = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    text = "".join(f"<a:p>{'<a:br/>'.join(f'<a:r><a:t>{line}</a:t></a:r>' for line in item.split(chr(10)))}</a:p>" for item in paragraphs)
    return f"<p:sp><p:nvSpPr><p:nvPr>{kind}</p:nvPr></p:nvSpPr><p:txBody>{text}</p:txBody></p:sp>"


def odt_file(body: str, prologue: str = "") -> bytes:
    base = "urn:oasis:names:tc:opendocument:xmlns"
    spaces = " ".join(f'xmlns:{name}="{base}:{name}:1.0"' for name in ("office", "text", "table"))
    content = (
        f"{DECLARATION}{prologue}<office:document-content {spaces}><office:body>"
        f"<office:text>{body}</office:text></office:body></office:document-content>"
    )
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def epub_file(chapters: Mapping[str, bytes | str], order: Sequence[str] | None = None) -> bytes:
    """Chapters by address; in reading order those of ``order``, else all."""
    items = "".join(f'<item id="c{number}" href="{address}"/>' for number, address in enumerate(chapters))
    spine = "".join(f'<itemref idref="c{list(chapters).index(address)}"/>' for address in order or chapters)
    book = f'{DECLARATION}<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{spine}</spine></package>'
    container = (
        f'{DECLARATION}<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    pages = {f"OEBPS/{address.replace('%20', ' ')}": page for address, page in chapters.items()}
    return zipped({"mimetype": "application/epub+zip", "META-INF/container.xml": container, "OEBPS/book.opf": book, **pages})


def pdf_file(*pages: str) -> bytes:
    """One line of text on each page."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {count} /Kids [{kids}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        place = f"/Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >> /Contents {5 + 2 * number} 0 R"
        drawing = f"BT /F 12 Tf 50 700 Td ({text}) Tj ET" if text else ""
        objects += [f"<< /Type /Page {place} >>", f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream"]
    return pdf_of(objects)


def pdf_of(objects: Sequence[str]) -> bytes:
    """Objects numbered from 1; the first one is the catalog."""
    content, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    return content + f"{trailer}startxref\n{len(content)}\n%%EOF\n".encode()


SECTOR = 512
#: Streams of fewer bytes would be kept in another way.
SMALLEST_STREAM = 4096
FREE, END, TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound_file(streams: Mapping[str, bytes]) -> bytes:
    """A file system in a file, as Office wrote them until 2003 and Outlook still does; for up to three streams of 60 KiB together."""
    chains, data, entries = [TABLE, END], b"", []
    for name, stream in streams.items():
        stream = stream.ljust(SMALLEST_STREAM, b"\0")
        padded = stream.ljust(-(-len(stream) // SECTOR) * SECTOR, b"\0")
        first, count = len(chains), len(padded) // SECTOR
        chains += [*range(first + 1, first + count), END]
        data += padded
        entries.append(_directory_entry(name, 2, first, len(stream), right=len(entries) + 2 if len(entries) + 1 < len(streams) else FREE))
    directory = _directory_entry("Root Entry", 5, END, 0, child=1) + b"".join(entries)
    table = b"".join(struct.pack("<I", sector) for sector in chains).ljust(SECTOR, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 1, 1, 0, SMALLEST_STREAM, END, 0, END, 0, 0)
    return header.ljust(SECTOR, b"\xff") + table + directory.ljust(SECTOR, b"\0") + data


def _directory_entry(name: str, kind: int, start: int, size: int, *, right: int = FREE, child: int = FREE) -> bytes:
    text = name.encode("utf-16-le")
    return struct.pack("<64sHBBIII16xI16xIQ", text, len(text) + 2, kind, 1, FREE, right, child, 0, start, size)


def msg_file(**properties: bytes) -> bytes:
    """An Outlook message, from its properties by ``p`` and their number; blanks make each large enough to be a stream of its own."""
    return compound_file({f"__substg1.0_{name[1:]}": data + _blanks(name) for name, data in properties.items()})


def _blanks(name: str) -> bytes:
    return " ".encode("utf-16-le" if name.endswith("001F") else "ascii") * SMALLEST_STREAM


def xls_file(cells: Sequence[tuple[int, int, str | float]]) -> bytes:
    """A workbook in the format of Excel 97, of one sheet."""
    globals_size = len(_record(0x809, bytes(16))) + len(_record(0x85, bytes(6) + _label("Old"))) + len(_record(0x0A))
    workbook = _record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0))
    workbook += _record(0x85, struct.pack("<IBB", globals_size, 0, 0) + _label("Old")) + _record(0x0A)
    workbook += _record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
    for row, column, value in cells:
        place = struct.pack("<HHH", row, column, 0)
        if isinstance(value, str):
            workbook += _record(0x204, place + struct.pack("<HB", len(value), 0) + value.encode("latin-1"))
        else:
            workbook += _record(0x203, place + struct.pack("<d", value))
    return compound_file({"Workbook": workbook + _record(0x0A)})


def _record(number: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(data)) + data


def _label(text: str) -> bytes:
    return struct.pack("<BB", len(text), 0) + text.encode("latin-1")
