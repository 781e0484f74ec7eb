import codecs

import pytest

from worker.documents.encoding import decoded


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("héllo 世界 🌏\n", "utf-8"),
        ("姓名,城市\n张三,北京\n", "gbk"),
        ("繁體中文測試", "big5"),
        ("日本語のテキストです。", "shift_jis"),
        ("한국어 텍스트입니다", "euc-kr"),
        ("Привет, мир, это проверка", "cp1251"),
        ("El niño comió mañana, “sí”", "cp1252"),
        ("hello", "utf-16-le"),
    ],
)
def test_encoding_is_found(text, encoding):
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_byte_order_mark_is_no_part_of_the_text(mark, encoding):
    assert decoded(mark + "a世".encode(encoding)) == "a世"


def test_what_is_damaged_is_left_out():
    content = "你好世界。这是一个测试文件".encode()

    assert decoded(content[:-1]) == "你好世界。这是一个测试文"
    assert decoded(content + b"\xff" + content) == "你好世界。这是一个测试文件" * 2


def test_nothing_is_an_empty_text():
    assert decoded(b"") == ""
