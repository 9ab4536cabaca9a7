"""BLEU, ROUGE and the reward count the same words in every script."""

import json

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from stages.common.cli import UserError
from stages.common.words import ENGLISH, Words, choose_words
from stages.scoring.bleu import corpus_bleu, statistics
from stages.training.candidates import reward
from tests.helpers.shared import shared

# A summary, and another ending for it.
PAIRS = {
    "English": ("The customer says that the kettle leaks and the agent asks for a photo.", "bill."),
    "German": ("Die Kundin beschwert sich über den Kocher. Der Agent bittet um ein Foto.", "Bild."),
    "Chinese": ("客户反映水壶101漏水，客服要求发照片。", "寄回。"),
    "Japanese": ("ケトル101号が漏れるとの苦情。担当は写真を求めた。", "返した。"),
    "Korean": ("고객이 주전자 누수를 신고하고 상담원은 사진을 요청했다.", "영수증을 요청했다."),
    "Thai": ("ลูกค้าร้องเรียนว่ากาน้ำรั่ว เจ้าหน้าที่ขอรูปถ่าย", "ใบเสร็จ"),
    "Khmer": ("អតិថិជនត្អូញត្អែរថាកំសៀវលេច។ ភ្នាក់ងារសុំរូបថត។", "ប្រាក់។"),
    "Burmese": ("ဖောက်သည်က ရေနွေးအိုးယိုတယ်လို့ပြောတယ်။", "ဓာတ်ပုံ။"),
    "Arabic": ("يشكو العميل من تسرب الغلاية. يطلب الموظف منه صورة.", "فاتورة."),
    "Hebrew": ("הלקוח מתלונן שהקומקום דולף. הנציג מבקש תמונה.", "קבלה."),
    "Persian": ("مشتری می‌گوید کتری نشتی دارد و پشتیبان عکس می‌خواهد.", "رسید."),
    "Hindi": ("ग्राहक कहता है कि केतली टपकती है। एजेंट फोटो मांगता है।", "चाहता।"),
    "Russian": ("Клиент жалуется, что чайник течёт. Агент просит фото.", "чек."),
    "Greek": ("Ο πελάτης λέει ότι ο βραστήρας στάζει και ζητά χρήματα.", "φωτογραφία."),
    "Armenian": ("Հաճախորդն ասում է, որ թեյնիկը կաթում է և ուզում գումար։", "նկար։"),
    "emoji": ("😀😀🎉🎉👍👍", "😡😡"),
    "emoji with marks": ("😀 👍 ❤️ 🎉 😢 ✌️", "☹️"),
    "digits": ("12345 67890 555", "777"),
    "mixed": ("客户说 kettle 漏水 and the agent asks for a photo.", "bill."),
}


def changed(text: str, ending: str) -> str:
    return text[: -len(ending)] + ending


def scores(texts: list[str], references: list[str], words: Words) -> dict[str, float]:
    """BLEU and ROUGE, 0 to 100."""
    counts = statistics(texts, [[reference] for reference in references], words)
    pairs = [words.rouge().score(r, t) for r, t in zip(references, texts, strict=True)]
    rouge = {k: 100 * sum(pair[k].fmeasure for pair in pairs) / len(pairs) for k in pairs[0]}
    return {"bleu": corpus_bleu(counts)} | rouge


@pytest.mark.parametrize("language", PAIRS)
def test_identical_text_scores_100_and_a_changed_word_lowers_it(language):
    text, ending = PAIRS[language]
    other = changed(text, ending)
    assert other != text
    words, _ = choose_words("auto", [text])
    assert scores([text], [text], words) == pytest.approx(
        dict.fromkeys(["bleu", "rouge1", "rouge2", "rougeL"], 100)
    )
    for name, value in scores([other], [text], words).items():
        assert 25 < value < 97, name
    assert reward(text, [text], words) == pytest.approx(1)
    assert 0.3 < reward(other, [text], words) < 0.97


@pytest.mark.parametrize("language", ["ar", "de", "hi", "ja", "ru", "zh"])
def test_shared_cases_of_languages(language):
    text = shared(f"cases/languages/{language}.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    summaries, others = ([row[key] for row in rows] for key in ("summary", "other"))
    words, _ = choose_words("auto", summaries)
    assert min(scores(summaries, summaries, words).values()) == pytest.approx(100)
    for name, value in scores(others, summaries, words).items():
        assert 60 < value < 95, name


def test_english_scores_equal_those_of_rouge_score_and_sacrebleu():
    references = ["The customers' kettles are leaking; café £5.", "Agent asks for the photo."] * 3
    texts = ["A customer's kettle leaked, cafe 5.", "Agents asked for photos of that."] * 3
    words, sentence = choose_words("auto", references)
    assert words == ENGLISH and "13a" in sentence and "stemmed English" in sentence
    plain = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for reference, text in zip(references, texts, strict=True):
        assert words.rouge().score(reference, text) == plain.score(reference, text)
    mine = corpus_bleu(statistics(texts, [[r] for r in references], words))
    assert mine == pytest.approx(BLEU().corpus_score(texts, [references]).score)


def test_a_reference_of_another_script_counts_in_an_english_corpus():
    score = ENGLISH.rouge().score("Клиент просит фото", "Клиент просит чек")
    assert score["rouge1"].fmeasure == pytest.approx(2 / 3)


@pytest.mark.parametrize("tokenizer", ["13a", "zh", "char", "intl"])
def test_tokenizer_of_params_is_used_and_in_the_signature(tokenizer):
    text = "客户 反映 水壶 101 漏水。"
    words, sentence = choose_words(tokenizer, [text])
    assert words == Words(tokenizer, english=False)
    assert tokenizer in sentence and "auto would choose zh" in sentence
    bleu = words.bleu()
    assert bleu.corpus_score([text], [[text]]).score == pytest.approx(100)
    assert f"tok:{tokenizer}|" in str(bleu.get_signature())


def test_missing_tokenizer_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("SACREBLEU", str(tmp_path))
    with pytest.raises(UserError, match=r"flores200sacrebleuspm is not in .*models: put it"):
        Words("flores200", english=False).bleu()
    for tokenizer, package in (("ja-mecab", "ja"), ("ko-mecab", "ko")):
        try:
            found = Words(tokenizer, english=False).bleu()
        except UserError as error:
            assert f"pip install 'sacrebleu[{package}]'" in str(error)
        else:
            assert found.tokenizer.signature().startswith(tokenizer)


def test_very_short_corpus_scores_0_as_in_sacrebleu():
    counts = statistics(["the cat"], [["the cat"]])
    assert corpus_bleu(counts) == 0  # no text has four tokens
    assert reward("the cat", ["the cat"]) == pytest.approx(1)
