"""Who the speakers are: the source's names as customer and agent, where `clean.roles` maps them."""

import re
from collections.abc import Iterable, Mapping

import polars as pl

CUSTOMER = re.compile(
    r"(end|web|app)?[ _-]?(user|customer|client|consumer|buyer|shopper|caller|visitor|guest|human)"
    r"([ _-]?\d+)?|inbound|incoming|requester|enquirer|usr|cust|external"
    r"|kund(e|in|en)?|benutzer(in)?|nutzer(in)?|besucher(in)?|anrufer(in)?|cliente?|clienta|utilisat(eur|rice)"
    r"|usager|usuari[oa]|usuári[oa]|utente|klant|klient(ka)?|asiakas|müşteri|zákazník|клиент|пользователь"
    r"|客户|客戶|用户|顾客|顧客|お客様|고객|khách hàng|pelanggan|العميل|לקוח|ग्राहक|ลูกค้า",
    re.IGNORECASE,
)
AGENT = re.compile(
    r"(support|service|live|human|call[ _-]?cent(er|re)|customer[ _-]service)?[ _-]?"
    r"(agent|advis[oe]r|assistant|operator|representative|rep|admin|supervisor|manager|specialist|technician|support|staff|employee|bot"
    r"|chatbot|gpt|model|assignee|system|sys|csr|helpdesk|team)([ _-]?\d+)?|outbound|outgoing"
    r"|customer[ _-]service|internal|berater(in)?|(kunden)?betreuer(in)?|mitarbeiter(in)?|kundenservice|kundendienst|agentin"
    r"|service[ -]client|klantenservice|conseill(er|[eè]re)|agente"
    r"|asesora?|asistente|operad(or|ora)|operat(ore|rice|eur)|atendente|assistente|consulente|consultora?"
    r"|medewerker|konsultant(ka)?|doradca|rådgivare|medarbetare|temsilci|агент|оператор|консультант"
    r"|поддержка|客服|坐席|座席|担当者|オペレーター|상담원|상담사|الوكيل|נציג|एजेंट|เจ้าหน้าที่",
    re.IGNORECASE,
)

NOTICES = ("system", "sys")  # beside an agent, it is the program that tells of the chat
YES_NO = (("true", "false"), ("1", "0"))
# Fields that ask which side a turn is of.
ASKS = {
    "customer": re.compile(
        r"inbound|incoming|(?:is|by|from)_?-?(?:customer|user|client|visitor)", re.IGNORECASE
    ),
    "agent": re.compile(
        r"outbound|outgoing|(?:is|by|from)_?-?(?:agent|staff|support|admin|operator|bot|me\b|internal)",
        re.IGNORECASE,
    ),
}


def name_roles(turns: pl.DataFrame, roles: Mapping[object, str] | None) -> pl.DataFrame:
    """`turns` with the speakers that `roles` names called customer or agent, whatever their case."""
    if not roles:
        return turns
    known = {str(name).strip().lower(): role for name, role in roles.items()}
    speaker = pl.col("speaker")
    role = speaker.str.strip_chars().str.to_lowercase().replace_strict(known, default=None)
    return turns.with_columns(speaker=pl.coalesce(role, speaker))


def guess_roles(speakers: Iterable[str | None], field: str | None = None) -> dict[str, str]:
    """A `clean.roles` for the speakers whose names say what they are; empty where the names do not
    say so of both sides, for a model would learn one of them as a role and the other as names.

    `field` is where they stand: whose side it is if it is true, such as `inbound` or `is_agent`.
    """
    names = dict.fromkeys(name.strip().lower() for name in speakers if name)
    if names and field and any(set(names) <= set(pair) for pair in YES_NO):
        side = next((role for role, asks in ASKS.items() if asks.search(field)), None)
        other = {"customer": "agent", "agent": "customer"}.get(side)
        return {name: side if name in ("true", "1") else other for name in sorted(names) if side}
    roles = {name: role for name in names if (role := role_of(name))}
    people = {name: role for name, role in roles.items() if name not in NOTICES}
    roles = people if "agent" in people.values() else roles
    return roles if len(set(roles.values())) == 2 else {}


def role_of(name: str) -> str | None:
    name = re.sub(r"[ _-]?\d+\Z", "", name)
    return "agent" if AGENT.fullmatch(name) else "customer" if CUSTOMER.fullmatch(name) else None
