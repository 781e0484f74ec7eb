"""Small files of every common kind, made where they are needed."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

from app.dev_model.sounds import spoken

TEXT = "A sample document.\n\nThe harbour was quiet in the morning. Two boats came in with the tide.\n"
ROWS = (("item", "count", "price"), ("tea", "2", "4.50"), ("cake", "1", "3.20"), ("coffee", "3", "2.80"))

SCHEMAS = "http://schemas.openxmlformats.org"
SHEETS = f"{SCHEMAS}/spreadsheetml/2006/main"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def content_of(extension: str) -> bytes:
    """A file of this kind, without dot; text for kinds that are not known."""
    make = MAKERS.get(extension.lower())
    return make() if make else TEXT.encode()


def _csv() -> bytes:
    return "".join(",".join(row) + "\n" for row in ROWS).encode()


def _json() -> bytes:
    titles, *rows = ROWS
    return json.dumps([dict(zip(titles, row, strict=True)) for row in rows], indent=2).encode()


def _html() -> bytes:
    return f"<!doctype html><html><head><title>A sample</title></head><body><p>{TEXT}</p></body></html>".encode()


def _pdf() -> bytes:
    """One page with the lines of ``TEXT`` in Helvetica."""
    lines = " T* ".join(f"({line}) Tj" for line in TEXT.splitlines())
    drawing = f"BT /F1 12 Tf 72 720 Td 16 TL {lines} ET".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    return _pdf_file(objects)


def _pdf_file(objects: tuple[bytes, ...]) -> bytes:
    written, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return written + head + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(written))


def _docx() -> bytes:
    from docx import Document

    document, file = Document(), io.BytesIO()
    for line in TEXT.splitlines():
        document.add_paragraph(line)
    document.save(file)
    return file.getvalue()


def _xlsx() -> bytes:
    """The least that is a workbook: one sheet with ``ROWS`` as inline texts."""
    types = (
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{WORKBOOK}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{WORKBOOK}.worksheet+xml"/>'
    )
    sheets = '<sheets><sheet name="Sample" sheetId="1" r:id="r1"/></sheets>'
    rows = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in ROWS)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{SCHEMAS}/package/2006/content-types">{types}</Types>',
        "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{SHEETS}" xmlns:r="{SCHEMAS}/officeDocument/2006/relationships">{sheets}</workbook>',
        "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEETS}"><sheetData>{rows}</sheetData></worksheet>',
    }
    return _zip(parts)


def _cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


def _relation(kind: str, target: str) -> str:
    """One relation of a package's part, named r1."""
    relation = f'<Relationship Id="r1" Type="{SCHEMAS}/officeDocument/2006/relationships/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{SCHEMAS}/package/2006/relationships">{relation}</Relationships>'


def _zip(parts: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}')
    return file.getvalue()


def _png() -> bytes:
    """32 by 32 pixels from blue to red."""
    rows = b"".join(b"\0" + b"".join(bytes((8 * x, 64, 8 * (31 - x))) for x in range(32)) for _ in range(32))
    head = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><circle cx="16" cy="16" r="12" fill="teal"/></svg>'


def _sound(extension: str) -> bytes:
    return b"".join(spoken("one two three", extension))


def _mp4() -> bytes:
    """A container without any track: enough for whoever looks at the kind of the file only."""
    brand = b"isom" + struct.pack(">I", 512) + b"isomiso2mp41"
    return struct.pack(">I", len(brand) + 8) + b"ftyp" + brand + struct.pack(">I", 8) + b"free"


MAKERS: Mapping[str, Callable[[], bytes]] = {
    "csv": _csv,
    "json": _json,
    "html": _html,
    "pdf": _pdf,
    "docx": _docx,
    "xlsx": _xlsx,
    "png": _png,
    "svg": _svg,
    "wav": lambda: _sound("wav"),
    "mp3": lambda: _sound("mp3"),
    "mp4": _mp4,
}
