"""Instructions around a conversation, as in prompts, are removed."""

import polars as pl
import pytest

from stages.cleaning.columns import find_columns
from stages.cleaning.layouts import select_conversations, split_turns
from tests.cleaning.test_chat import turns

CHAT = "Mira: my lamp fails, why?\nTom: sorry: we will see."
TURNS = [("Mira", "my lamp fails, why?"), ("Tom", "sorry: we will see.")]
BEFORE = [
    "Summarize this conversation:\n",
    "Summarize the following dialogue:\n\n",
    "Please summarise the chat below.\n",
    "Write a short summary of the following call transcript.\n\n",
    "Summarize this chat. Keep it below 50 words.\n",
    "Summarize: ",
    "summarize the conversation between a customer and an agent: ",
    "TL;DR the chat below.\n\nConversation:\n",
    "Summarise the dialogue.\n---\n",
    "Can you summarize this conversation?\n",
    "You are a helpful assistant. Summarize the dialogue below.\n\nDialogue:\n",
    "### Instruction:\nSummarize the conversation below.\n\n### Input:\n",
    "Below is an instruction. Write a response.\n\n### Instruction:\nSummarize it, a chat.\n\n### Input:\n",
    "Task: Summarize the dialogue\n",
    "Below is a conversation between a customer and an agent:\n\n",
    "Fasse das folgende Gespräch zusammen:\n",
    "Résumez la conversation suivante :\n\n",
    "Resume la siguiente conversación:\n",
    "Riassumi la seguente conversazione:\n",
    "Кратко изложи следующий диалог:\n",
    "请总结以下对话：\n",
    "次の会話を要約してください。\n",
    "다음 대화를 요약하세요.\n",
]
AFTER = ["\n\nSummary:", "\n\n### Response:\n", "\nTL;DR:", "\n\nSummarize the conversation above."]


@pytest.mark.parametrize("before", BEFORE)
def test_instruction_before_a_conversation_is_removed(before):
    assert turns(before + CHAT) == TURNS
    assert turns(before + CHAT + "\n\nSummary:") == TURNS


@pytest.mark.parametrize("after", AFTER)
def test_instruction_after_a_conversation_is_removed(after):
    assert turns(CHAT + after) == TURNS
    assert turns(BEFORE[0] + CHAT + after) == TURNS


def test_backticks_around_a_conversation_are_removed():
    assert turns(f"Summarize the chat in backticks.\n```\n{CHAT}\n```") == TURNS


@pytest.mark.parametrize(
    "text",
    [
        "Mira: Please summarize this conversation:\nTom: It is late.",
        "Mira: it fails\nTom: To summarize: it fails, in this chat.\nMira: yes",
        "Mira - summarize this conversation\nTom - it is late",
        "<Mira> summarize this conversation\n<Tom> it is late",
        "[10:00] Mira: Summarize the chat below.\n[10:01] Tom: no",
    ],
)
def test_message_that_asks_for_a_summary_is_kept(text):
    who, said = zip(*turns(text), strict=True)
    assert who[:2] == ("Mira", "Tom") and "summarize" in " ".join(said).lower()


def test_text_with_only_an_instruction_is_kept():
    assert turns("Summarize this conversation:") == [(None, "Summarize this conversation:")]
    assert turns("Summarize my bill: it is wrong") == [(None, "Summarize my bill: it is wrong")]


@pytest.mark.parametrize(
    ("request_", "stays"),
    [
        ("Please summarize our conversation in two sentences.", False),
        ("Fasse das Gespräch bitte zusammen.", False),
        ("上記の会話を要約してください", False),
        ("thanks, that is all", True),
    ],
)
def test_a_message_that_asks_for_the_summary_is_no_turn(request_, stays):
    said = ["my lamp broke", "sorry, a photo please", request_, "The lamp broke."]
    messages = [
        {"role": role, "content": text}
        for role, text in zip(["user", "assistant"] * 2, said, strict=True)
    ]
    frame = pl.DataFrame([{"messages": messages}] * 3)
    columns = find_columns(frame)
    conversations = select_conversations(frame, columns)
    found = split_turns(pl.DataFrame({"row": range(3), "conversation": conversations}), columns)
    assert found.filter(pl.col("row") == 0)["text"].to_list() == said[: 3 if stays else 2]
