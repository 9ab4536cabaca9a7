"""Text is read in its encoding, or one sentence names the likely encoding."""

import json

import pytest

from stages.common.cli import UserError
from tests.helpers.files import fetched, talks

FRENCH = "Client: la bouilloire fuit, hélas, à côté de l’évier\nAgent: désolé, 25 € remboursés"
WESTERN = {
    "French": FRENCH,
    "German": "Kunde: meine Spülmaschine läuft nicht\nSupport: für Größe 5 schicken wir einen Schlauch",
    "Spanish": "¿Cuándo llega mi pedido?\nLlegará mañana por la mañana. ¡Gracias, señor!",
    "Portuguese": "Olá, não recebi a encomenda\nA situação será resolvida amanhã",
    "Danish": "Min kedel lækker på køkkenbordet\nVi sender en ny på fredag",
    "English": "It’s the “blue” lamp — 20 £, at the café",
}
OTHERS = [
    ("cp1251", "Здравствуйте, мой чайник течёт. Извините, пришлите фото."),
    ("cp1253", "Καλημέρα, ο βραστήρας στάζει. Στείλτε φωτογραφία."),
    ("shift_jis", "こんにちは、やかんが漏れます。写真を送ってください。"),
    ("gb18030", "你好，水壶漏水了。抱歉，请发照片给我们。"),
    ("cp949", "안녕하세요, 주전자가 새요. 사진을 보내주세요."),
    ("cp1250", "Dobrý den, dorazila mi špatná pračka, kdy přijede technik?"),
    ("iso8859-2", "Dzień dobry, moja paczka nie dotarła, proszę o pomoc."),
    ("cp1254", "Siparişim gelmedi, yardımcı olur musunuz? Teşekkür ederiz."),
    ("mac_roman", FRENCH),
    ("cp850", FRENCH.replace("’", "'").replace("€", "e")),
]


def csv(rows: list[dict]) -> str:
    quoted = [[cell.replace('"', '""') for cell in row.values()] for row in rows]
    lines = [",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row) for row in quoted)]
    return "\n".join(lines) + "\n"


def jsonl(rows: list[dict]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("write", [csv, jsonl, lambda rows: json.dumps(rows, ensure_ascii=False)])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"],
)
@pytest.mark.parametrize("text", ["plain", "Привет, 你好, مرحبا 😀"])
def test_unicode_encodings_are_read(tmp_path, monkeypatch, capsys, write, encoding, text):
    rows = [row | {"summary": text} for row in talks(3)]
    name = {csv: "a.csv", jsonl: "a.jsonl"}.get(write, "a.json")
    assert fetched(tmp_path, monkeypatch, name, write(rows).encode(encoding)) == rows
    assert "not UTF-8" not in capsys.readouterr().out


@pytest.mark.parametrize("language", WESTERN)
@pytest.mark.parametrize("count", [1, 40])
def test_windows_text_is_read_and_noted(tmp_path, monkeypatch, capsys, language, count):
    rows = [{"id": str(i), "résumé": WESTERN[language]} for i in range(count)]
    assert fetched(tmp_path, monkeypatch, "a.csv", csv(rows).encode("cp1252")) == rows
    assert "in/a.csv: not UTF-8, read as Windows' cp1252" in capsys.readouterr().out


@pytest.mark.parametrize(("encoding", "text"), OTHERS)
@pytest.mark.parametrize("count", [1, 40])
def test_other_encoding_is_refused_with_advice(tmp_path, monkeypatch, encoding, text, count):
    rows = [{"id": str(i), "text": text} for i in range(count)]
    with pytest.raises(UserError) as error:
        fetched(tmp_path, monkeypatch, "a.csv", csv(rows).encode(encoding))
    message = str(error.value)
    assert message.startswith("in/a.csv is not UTF-8")
    assert "iconv -f " in message
    assert "\n" not in message
    assert text[:6] not in message


def test_stray_zero_bytes_are_not_utf16(tmp_path, monkeypatch):
    text = "ab\0\0 " + "plain text all the same " * 4
    assert fetched(tmp_path, monkeypatch, "a.csv", f"id,text\n1,{text}\n".encode()) == [
        {"id": "1", "text": text}
    ]


def test_broken_character_does_not_change_the_encoding(tmp_path, monkeypatch, capsys):
    rows = talks(5)
    content = jsonl(rows).encode().replace(b"lamp 2 hums;", b"lamp 2 \xc3;")
    read = fetched(tmp_path, monkeypatch, "a.jsonl", content)
    assert [row for i, row in enumerate(read) if i != 2] == rows[:2] + rows[3:]
    assert "lamp 2 \ufffd;" in read[2]["dialogue"]
    assert "1 characters are not UTF-8" in capsys.readouterr().out


def test_picture_is_refused(tmp_path, monkeypatch):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    with pytest.raises(UserError, match=r"in/a\.csv is not a text file"):
        fetched(tmp_path, monkeypatch, "a.csv", picture)


def test_byte_order_marks_inside_a_file_are_removed(tmp_path, monkeypatch):
    rows = talks(4)
    content = jsonl(rows[:2]).encode("utf-8-sig") + jsonl(rows[2:]).encode("utf-8-sig")
    assert fetched(tmp_path, monkeypatch, "a.jsonl", content) == rows
