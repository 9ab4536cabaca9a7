"""Threads of e-mails in one text, each with a header: who wrote is the speaker."""

import re

SURE = "\ufdd0"  # before a name that surely opens a turn; no text has it
FROM = "from|von|de|da|van|od|от|发件人|寄件者|差出人|보낸 사람"
OTHERS = (
    "to|cc|bcc|date|sent|subject|reply-to|an|gesendet|datum|betreff|kopie|à|a|envoyé|objet|para|enviado"
    "|fecha|asunto|data|assunto|inviato|oggetto|aan|verzonden|onderwerp|do|temat|кому|дата|тема|копия"
    "|收件人|日期|主题|主旨|宛先|日付|件名|받는 사람|제목|날짜"
)
SUBJECT = "subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|тема|主题|主旨|件名|제목"
SIEVE = rf"(?im)^[\s*]*(?:{FROM})\s?\**\s?[:：]\**\s*\S[^\n]*\n\s*\**(?:{OTHERS})\s?\**\s?[:：]|^[\s*]*(?:{OTHERS})\s?\**\s?[:：][^\n]*\n\s*\**(?:{FROM})\s?\**\s?[:：]"
HEADER = re.compile(
    rf"(?:^[ *]*(?:{FROM}|{OTHERS})[ ]?\**[ ]?[:：]\**[ \t]*[^\n]*(?:\n+|\Z)){{2,}}",
    re.IGNORECASE | re.MULTILINE,
)
LINE = re.compile(r"[ *]*([^\n:：]+?)[ ]?\**[ ]?[:：]\**[ \t]*([^\n]*)")
SENDER = re.compile(r"\"?'?([^\"'<>\[\]()\n]*?)\"?'?\s*(?:[<\[(](?:mailto:)?([^<>\[\]()\s]+).*)?")


def mail_lines(text: str) -> str:
    """The text with `Name:` for each header, and the subject, which is a part of what was written.

    In a thread the headers alone open turns: a colon below them is a greeting's or a list's.
    """
    lines = HEADER.sub(opening, text.replace(SURE, ""))
    return lines if lines.count(SURE) > 1 else lines.replace(SURE, "")


def opening(header: re.Match) -> str:
    fields = {name.lower(): value.strip() for name, value in LINE.findall(header[0])}
    sender = next((value for name, value in fields.items() if re.fullmatch(FROM, name)), "")
    known = SENDER.fullmatch(sender)
    # People may be called An and Van, too: a header has more, or an address.
    if not known or not any(known.groups()) or (len(fields) < 3 and "@" not in sender):
        return header[0]
    name, address = known.groups()
    subject = next((value for key, value in fields.items() if re.fullmatch(SUBJECT, key)), "")
    again = re.match(
        r"(?:re|aw|fwd?|wg|sv|tr|rv|antw|res|回复|答复)\s?[:：]", subject, re.IGNORECASE
    )
    return f"{SURE}{(name or address).replace(':', ' ')}: {subject if not again else ''}\n"
