"""Numbers and addresses of every kind, their possible neighbours, and text to keep."""

import re
import sys
import unicodedata

from stages.cleaning.ascii_view import ascii_view
from stages.params import Redaction

REGIONS = ["US", "GB", "IN", "DE", "FR", "ES", "IT", "AU", "BR", "NL", "NG", "ZA", "JP", "MX", "PL"]
REDACTION = Redaction(regions=REGIONS, patterns={})
SECRETS = {
    "email": [
        "jo@example.com", "jo.doe+shop@mail.example.co.uk", "JO_DOE-2@EXAMPLE.ORG", "info42@x-y.example",
        "émile@bücher.example", "почта@пример.рф", "jo@ex\u00adample.com", "ｊｏ＠ｅｘａｍｐｌｅ．ｃｏｍ",
    ],
    "phone": [
        "07700900123", "07700 900456", "(0161) 496 0123", "020-7946-0958", "+447700900123",
        "+44 7700 900123", "+44 (0)20 7946 0958", "0044 20 7946 0958", "555-123-4567", "(555) 123-4567",
        "555.123.4567", "1-555-123-4567", "+1 555 123 4567", "9876543210", "98765 43210", "030 123456",
        "030/901820", "06 12 34 56 78", "06.12.34.56.78", "01-23-45-67-89", "612 345 678", "612-345-678",
        "090-1234-5678", "0412 345 678", "+8613812345678", "+49 30 901820", "+33 1 23 45 67 89",
        "+44\u00a07700\u00a0900123", "07700\u2009900123", "07700\u202f900\u202f123", "07700\u2011900123",
        "07700－900－123", "０７７００９００１２３", "٠٧٧٠٠٩٠٠١٢٣", "०७७००९००१२३", "07700\u200b900123",
        "0\ufe0f\u20e37\ufe0f\u20e37\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e39\ufe0f\u20e30012345",
    ],
    "card": [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111",
        "378282246310005", "3782 822463 10005", "5555\u00a05555\u00a05555\u00a04444", "4111/1111/1111/1111",
        "٤١١١١١١١١١١١١١١١", "４１１１ １１１１ １１１１ １１１１",
    ],
    "iban": [
        "GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "gb82west12345698765432",
        "DE89 3704 0044 0532 0130 00", "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
        "FR14-2004-1010-0505-0001-3M02-606", "NO9386011117947",
    ],
    "ip": [
        "192.168.10.14", "203.0.113.200", "10.0.0.1", "2001:db8::ff00:42:8329", "2001:db8:0:1::2",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "::ffff:192.0.2.128", "１９２．１６８．１０．１４",
    ],
    "number": [
        "order #12345", "order no. 123456", "Bestellnummer 1234567", "commande n° 1234567",
        "pedido número 1234567", "ordine 1234567", "订单号12345678", "注文番号：12345678", "заказ № 1234567",
        "номер заказа 1234567", "رقم الطلب 1234567", "ऑर्डर नंबर 1234567", "주문번호 1234567",
        "คำสั่งซื้อ 1234567", "sipariş no: 1234567", "account number 12345678", "account 1234 5678",
        "order\u00a01234\u00a05678", "ticket AB-123456", "booking reference: QX7T4Z9", "#12345",
        "#AB12345", "№ 123456", "1Z999AA10123456784", "RR123456785GB", "JD0012345678901234",
        "123456789", "123456789012", "1234 5678 9012", "123-45-6789", "123.456.789-09",
        "12.345.678/0001-95", "١٢٣٤٥٦٧٨٩٠١٢", "123456\u00a0789012", "1234–5678–9012",
    ],
}  # fmt: skip
SPACES = [chr(c) for c in range(sys.maxunicode) if unicodedata.category(chr(c))[0] == "Z"]
INVISIBLE = list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u2066\ufe0f")
CURRENCY = [chr(c) for c in range(sys.maxunicode) if unicodedata.category(chr(c)) == "Sc"]
SIGNS = list(
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡¿«»“”‘’„‚…–—‐‑−·•،؛؟٪。、！？（）「」『』【】《》，：；～〜・。।॥״׳።፣၊។"
)
LATIN = ["a", "x", "Z", "é", "ß", "ø", "ph", "Tel", "ok"]
LETTERS = list("中是日のがテ한은ทคကខລདяЖЇωأمپע֊אकड़নதకമඅაՀአ😀❤👍")
NEIGHBOURS = list(
    dict.fromkeys(["", "\t", "\n", *SPACES, *INVISIBLE, *CURRENCY, *SIGNS, *LATIN, *LETTERS])
)


def readable(secret: str, left: str, text: str) -> bool:
    """Whether a redacted text still has digits or an address of the secret."""
    view = ascii_view(text)[0]
    if "@" in ascii_view(secret)[0]:
        return "@" in view.replace(ascii_view(left)[0], "", 1).rstrip("@") and "(email)" not in view
    return bool(re.search(r"\d", view))
