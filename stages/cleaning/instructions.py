"""The words to a language model around a conversation, such as "Summarize this conversation:".

Data for tuning on instructions has them in each row. They are no part of what anybody said, and new
conversations come without them.
"""

import re

import polars as pl

CONVERSATION = (
    r"\b(?:conversation|dialog|chat|transcript|call\b|thread|discussion|exchange|meeting|ticket|messages?\b"
    r"|text\b|following|below|above|gespräch|konversation|conversaci|diálogo|conversa|gesprek|rozmow"
    r"|диалог|разговор|бесед|перепис|konuşma|diyalog|المحادثة|الحوار)|对话|對話|会话|會話|聊天|会話|対話|チャット"
    r"|대화|채팅|बातचीत|संवाद|वार्तालाप"
)
GIVE = r"(?:write|give|generate|create|provide|produce|make|draft|compose|what is)\b[^\n:]{0,99}\bsummar(?:y|ies)\b"
SUMMARIZE = (
    rf"\b(?:summari[sz]e\b|{GIVE}|tl;?dr|condense\b|fass(?:e|en)?\b[^\n:]{{0,99}}\bzusammen\b"
    r"|résum(?:e|ez|er)\b|resum(?:e|a|ir)\b|haz un resumen|faça um resumo|riassumi\b|vat\b[^\n:]{0,99}\bsamen\b"
    r"|podsumuj\b|streść\b|суммируй|резюмируй|перескажи|(?:кратко\s)изложи|составь\w* резюме|özetle|لخص)"
    r"|总结|總結|概括|摘要|要約|요약|सारांश|संक्षेप"
)
# Its sentence, up to a colon or its end, and more sentences of the same line that name nobody.
SENTENCE = r"[^\n:：.。!?]{0,300}(?:[.](?=\w)[^\n:：.。!?]{0,99})?\s*(?:[:：.。!?]|(?=\n)|$)"
LABEL = (
    r"(?:#{1,6}\s*)?(?:conversation|dialogue|dialog|chat|transcript|input|text|context)\s*[:：]\s*"
)
NAMED = r"[<\[(]|\S{1,30}(?:\s\S{1,30}){0,2}\s[-–—|>]\s"  # what somebody says, and no instruction
HEAD = re.compile(
    rf"(?!\s*(?:{NAMED}))\s*(?:below is an instruction\b[^\n]*\n\s*)?"  # as Alpaca's prompts begin
    r"(?:#{1,6}\s*)?(?:(?:instructions?|task|prompt)\s*[:：]?\s*)?"
    r"(?:(?:you are|below is|the following is|here is)\b[^\n.:：]{0,200}[.:：]\s*)?"
    rf"(?=[^\n:：]{{0,300}}?(?:{SUMMARIZE}))(?P<sentence>{SENTENCE})"
    rf"(?:[^\n:：]*(?=\n))?\s*(?P<quotes>[-=]{{3,}}|\"{{3}}|`{{3}})?\s*(?:{LABEL})?",
    re.IGNORECASE,
)
# Words that announce a conversation and ask for nothing.
PREFACE = re.compile(
    rf"\s*(?:below is|the following is|here is|here's|this is)\b(?=[^\n]*{CONVERSATION})[^\n:：]*[:：.]\s*\n\s*",
    re.IGNORECASE,
)
BARE = re.compile(rf"\W*(?:{SUMMARIZE})\W*", re.IGNORECASE)
TAIL = re.compile(
    r"\s*(?:[-=]{3,}|\"{3}|`{3})?\s*(?:#{1,6}\s*)?\b(?:the )?(?:summary|tl;?dr|response|output|answer"
    r"|zusammenfassung|résumé|resumen|resumo|riassunto|samenvatting|резюме|摘要|总结|要約|요약)[^\n:：]{0,30}[:：]\s*\Z",
    re.IGNORECASE,
)
ASKED_LAST = re.compile(
    rf"\n\s*\n\s*(?:please\s)?(?:summari[sz]e|{GIVE})[^\n]{{0,200}}\Z", re.IGNORECASE
)
ASKING = ("user", "human")  # whose last message is no summary
REQUEST = rf"(?i)^[^\n]{{0,200}}?(?:{SUMMARIZE})[^\n]{{0,200}}$"
SIEVE = rf"(?i){SUMMARIZE}|^\s*(?:below is|the following is|here is|here's|this is)\b|(?:summary|response|output|answer|riassunto|samenvatting|resumen|resumo|résumé|zusammenfassung|резюме)[^\n]{{0,30}}[:：]\s*$"


def without_instruction(text: str) -> str:
    """The conversation alone; a text that is nothing else stays."""
    start, end = 0, len(text)
    head = HEAD.match(text)
    if head and is_instruction(head):
        start = head.end()
        if (quotes := head["quotes"]) and text[start:].rstrip().endswith(quotes):
            end = text.rindex(quotes)
    elif head := PREFACE.match(text):
        start = head.end()
    for pattern in (TAIL, ASKED_LAST):
        if (found := pattern.search(text, start, end)) and "\n" in text[start : found.start() + 2]:
            end = found.start()
    return text[start:end] if text[start:end].strip() else text


def is_instruction(head: re.Match) -> bool:
    """Whether it speaks of a conversation, or says no more than "Summarize:"."""
    return bool(re.search(CONVERSATION, head[0], re.IGNORECASE) or BARE.fullmatch(head["sentence"]))


def without_answer(turns: pl.DataFrame) -> pl.DataFrame:
    """Turns of chats with a model, `row`, `speaker`, `text`, without the summary that ends them, and
    without the message that asks for it."""
    last = pl.col("row") != pl.col("row").shift(-1).fill_null(-1)
    asking = pl.col("speaker").str.to_lowercase().is_in(ASKING).fill_null(False)
    answered = turns.filter(last & ~asking)["row"].implode()
    turns = turns.filter(~last | asking)
    request = pl.col("text").str.contains(REQUEST) & pl.col("row").is_in(answered)
    return turns.filter(~(last & asking & request & (pl.len().over("row") > 1)))
