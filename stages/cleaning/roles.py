"""Who the speakers are: the source's names as customer and agent, where `clean.roles` maps them."""

import re
from collections.abc import Iterable, Mapping

import polars as pl

CUSTOMER = re.compile(
    r"(end|web|app)?[ _-]?(user|customer|client|consumer|buyer|shopper|caller|visitor|guest|human)"
    r"([ _-]?\d+)?|inbound|requester|enquirer|usr|cust",
    re.IGNORECASE,
)
AGENT = re.compile(
    r"(support|service|live|human|call[ _-]?cent(er|re)|customer[ _-]service)?[ _-]?"
    r"(agent|advis[oe]r|assistant|operator|representative|rep|admin|support|staff|employee|bot"
    r"|chatbot|gpt|model|assignee|system|csr|helpdesk|team)([ _-]?\d+)?|outbound|customer[ _-]service",
    re.IGNORECASE,
)


def name_roles(turns: pl.DataFrame, roles: Mapping[object, str] | None) -> pl.DataFrame:
    """`turns` with the speakers that `roles` names called customer or agent, whatever their case."""
    if not roles:
        return turns
    known = {str(name).strip().lower(): role for name, role in roles.items()}
    speaker = pl.col("speaker")
    role = speaker.str.strip_chars().str.to_lowercase().replace_strict(known, default=None)
    return turns.with_columns(speaker=pl.coalesce(role, speaker))


def guess_roles(speakers: Iterable[str | None]) -> dict[str, str]:
    """A `clean.roles` for the speakers whose names say what they are; empty where none does."""
    roles = {}
    for name in dict.fromkeys(filter(None, speakers)):
        if AGENT.fullmatch(name.strip()):
            roles[name.strip().lower()] = "agent"
        elif CUSTOMER.fullmatch(name.strip()):
            roles[name.strip().lower()] = "customer"
    return roles
