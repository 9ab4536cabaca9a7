"""Blind sheets, what spreadsheets make of them, and the figures of the answers."""

import csv
import json
import shutil
import threading

import polars as pl
import pytest

from stages.common.cli import UserError
from stages.params import load
from tests.helpers.project import Project
from tools.card import current_card
from tools.compare.__main__ import comment
from tools.compare.revision import commit, working_tree
from tools.ratings import __main__ as tool
from tools.ratings.agreement import alpha
from tools.ratings.answers import (
    QUESTIONS,
    next_item,
    rater_name,
    read_answers,
    save_answers,
)
from tools.ratings.items import SYSTEMS, read_items, summary_file
from tools.ratings.printing import lines
from tools.ratings.results import results
from tools.ratings.sheets import read_sheet, write_sheet

YES, NO = dict.fromkeys(QUESTIONS, True), dict.fromkeys(QUESTIONS, False)
IDS = [f"d{n:02}" for n in range(30)]


@pytest.fixture
def rated(tmp_path, monkeypatch):
    """A folder with a test split of 30 dialogues and the summaries of two models."""
    monkeypatch.chdir(tmp_path)
    turns = [
        [{"speaker": "customer", "text": f"case {n}, \"late\"; again"}, {"speaker": None, "text": "=1+1"}]
        for n in range(30)
    ]  # fmt: skip
    rows = {"id": IDS, "turns": turns, "references": [[f"Reference {id_}", "x"] for id_ in IDS]}
    (tmp_path / "data/clean").mkdir(parents=True)
    pl.DataFrame(rows).write_parquet("data/clean/test.parquet")
    for system in ("base", "tuned"):
        write_summaries(system, {id_: f"{system}, café {id_}" for id_ in IDS})
    return tmp_path


def write_summaries(system: str, texts: dict[str, str]) -> None:
    file = summary_file(system)
    file.parent.mkdir(exist_ok=True)
    lines = [json.dumps({"id": id_, "summary": text}) for id_, text in texts.items()]
    file.write_text("\n".join(lines) + "\n")


# Items


def test_items_are_the_same_everywhere_and_tell_no_system(rated):
    items = read_items(dialogues=20)
    assert len(items) == 60 == len({item.id for item in items})
    order = [item.of[0][1] for item in items]
    assert order != sorted(order) and len({tuple(order[i : i + 3]) for i in range(0, 60, 3)}) > 5
    rows = pl.read_parquet("data/clean/test.parquet")
    rows.reverse().write_parquet("data/clean/test.parquet")
    for system in ("base", "tuned"):
        write_summaries(system, {id_: f"{system}, café {id_}" for id_ in reversed(IDS)})
    assert read_items(dialogues=20) == items
    some = {dialogue for item in read_items(dialogues=5) for dialogue, _ in item.of}
    assert len(some) == 5 and some < {dialogue for item in items for dialogue, _ in item.of}


def test_what_two_systems_say_alike_is_rated_once_and_counts_for_both(rated):
    write_summaries("base", {id_: f"tuned,  café {id_}" for id_ in IDS})  # but for a space
    items = read_items(("base", "tuned"))
    assert len(items) == 30 and items[0].of[0][1:] + items[0].of[1][1:] == ("base", "tuned")
    found = results(items, {(items[0].id, "ana"): YES})["people"]
    assert found["items"] == 1 and found["tuned"]["score"] == found["base"]["score"] == 3


# Sheets


def cells(path) -> list[list[str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_a_sheet_is_blind_safe_and_readable(rated):
    write_sheet(rated / "a.csv", read_items())
    content = (rated / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") and "café".encode() in content
    header, *rows = cells(rated / "a.csv")
    assert header == ["item", "conversation", "summary", *QUESTIONS.values()] and len(rows) == 90
    assert rows[0][1].endswith('"late"; again\n=1+1') and rows[0][3:] == ["", "", ""]
    assert not any(word in str([row[0] for row in rows]) for word in ("base", "tuned", "ref"))


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "＝1"])
def test_no_cell_is_a_formula(rated, start):
    write_summaries("tuned", {id_: f"{start} {id_}" for id_ in IDS})
    write_sheet(rated / "a.csv", read_items(("tuned",)))
    found = cells(rated / "a.csv")[1:]
    assert {row[2][0] for row in found} == {"'"}
    assert all(row[0][0] == "i" for row in found)  # no spreadsheet takes 1e5 for a number


def fill(path, answers: list[list[str]]) -> list[list[str]]:
    """The sheet's rows with these answers in its first ones."""
    rows = cells(path)
    for row, given in zip(rows[1:], answers, strict=False):
        row[3:] = given
    return rows


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("cp1252", ";"), ("utf-16", "\t"), ("utf-8", "\t")],
)
def test_a_sheet_comes_back_from_any_spreadsheet(rated, encoding, separator):
    items = read_items()
    write_sheet(rated / "a.csv", items)
    words = [["yes", "No", " Y "], ["1", "0", "1,0"], ["TRUE", "FALSE", "Ja"], ["", "nein", ""]]
    rows = fill(rated / "a.csv", words)
    # Another order of the columns, a column of notes, an empty row, another quote in the header.
    rows = [[row[5], *row[:5], "a note"] for row in rows]
    rows[0] = [cell.replace("'", "’") for cell in rows[0]] if encoding != "cp1252" else rows[0]
    with open(rated / "b.csv", "w", encoding=encoding, newline="") as out:
        csv.writer(out, delimiter=separator).writerows([*rows[:9], [""] * 7, *rows[9:]])
    found = read_sheet(rated / "b.csv")
    assert len(found) == 90
    expected = [(True, False, True)] * 3 + [(None, False, None), (None, None, None)]
    assert [tuple(found[item.id].values()) for item in items[:5]] == expected


def test_a_sheet_comes_back_as_a_workbook(rated):
    import xlsxwriter

    items = read_items()
    write_sheet(rated / "a.csv", items)
    rows = fill(rated / "a.csv", [["yes", "no", "yes"]])
    rows[2][3:] = [True, False, 1]
    with xlsxwriter.Workbook(rated / "b.xlsx", {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for n, row in enumerate(rows):
            sheet.write_row(n, 0, row)
    found = read_sheet(rated / "b.xlsx")
    assert [tuple(found[item.id].values()) for item in items[:2]] == [(True, False, True)] * 2


@pytest.mark.parametrize("unclear", ["maybe", "?", "2", "x", "yes/no", "n/a", "-"])
def test_an_unclear_answer_is_refused_with_its_row(rated, unclear):
    write_sheet(rated / "a.csv", read_items())
    rows = fill(rated / "a.csv", [["yes", "no", "yes"], ["yes", unclear, ""]])
    with open(rated / "ana.csv", "w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    with pytest.raises(UserError, match=r"ana\.csv, row 3, .*the agent's part.*neither yes nor no"):
        tool.read_sheets([rated / "ana.csv"])
    assert not read_answers()


def test_other_broken_sheets_are_refused(rated):
    write_sheet(rated / "a.csv", read_items())
    rows = cells(rated / "a.csv")

    def refused(changed: list[list[str]], said: str) -> None:
        with open(rated / "b.csv", "w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(changed)
        with pytest.raises(UserError, match=said):
            read_sheet(rated / "b.csv")

    refused([row[:5] for row in rows], "no column 'Are these at most two sentences")
    refused([*rows[:3], ["1.23E+15", *rows[3][1:]]], "row 4: '1.23E\\+15' is no item")
    refused([*rows[:3], [*rows[1][:3], "yes", "", ""]], "row 4: the item has other answers")
    refused([*rows[:3], ["", "cut off", "", "yes", "", ""]], "row 4: None is no item")
    with pytest.raises(UserError, match="does not exist: write it by"):
        read_sheet(rated / "absent.csv")


def test_a_sheet_is_never_written_over(rated):
    tool.write_sheets(5, ("base", "tuned"), ["Ana", "ben"], ",")
    assert len(cells(rated / "ratings/ana.csv")) == 11
    with pytest.raises(UserError, match="exists and may hold answers"):
        tool.write_sheets(5, ("base", "tuned"), ["ana"], ",")
    for name in ("../ana", "", "=1", "judge:x", "a\nb:"):
        with pytest.raises(UserError, match="is no name of a rater"):
            rater_name(name)


# Answers


def test_answers_are_added_changed_and_kept(rated):
    save_answers({("i1", "ana"): YES, ("i2", "ana"): dict.fromkeys(QUESTIONS)})
    save_answers({("i1", "ben"): NO, ("i1", "ana"): dict.fromkeys(QUESTIONS) | {"agent": False}})
    assert read_answers() == {("i1", "ana"): YES | {"agent": False}, ("i1", "ben"): NO}
    text = (rated / "data/ratings.csv").read_text()
    assert text.splitlines() == [
        "item,rater,customer,agent,two_sentences", "i1,ana,yes,no,yes", "i1,ben,no,no,no"
    ]  # fmt: skip
    (rated / "data/ratings.csv").write_text(text.replace("i1,ben,no", "i1,ben,perhaps"))
    with pytest.raises(UserError, match=r"data/ratings\.csv is not a table of answers at line 3"):
        read_answers()


def test_raters_who_save_at_once_lose_nothing(rated):
    def rate(rater: str) -> None:
        for n in range(20):
            save_answers({(f"i{n}", rater): YES})

    threads = [threading.Thread(target=rate, args=(f"r{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_answers()) == 120


def test_the_next_item_is_the_first_without_three_answers(rated):
    items = read_items()
    assert next_item(items, {}, "ana") == items[0]
    part = dict.fromkeys(QUESTIONS) | {"agent": True}
    answers = {(items[0].id, "ana"): YES, (items[1].id, "ana"): part, (items[1].id, "ben"): YES}
    assert (
        next_item(items, answers, "ana") == items[1]
        and next_item(items[:1], answers, "ana") is None
    )


# Figures


def values(*rows: str) -> list[list[str | None]]:
    """Things by rater as published, "." for a missing value, to raters by thing."""
    return [list(x) for x in zip(*([None if c == "." else c for c in r.split()] for r in rows), strict=True)]  # fmt: skip


def test_alpha_is_that_of_published_examples():
    """Krippendorff (2011), sections A, B and C."""
    assert alpha(values("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")) == pytest.approx(
        0.095, abs=5e-4
    )
    two = values("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    assert alpha(two) == pytest.approx(0.692, abs=5e-4)
    four = values(
        "1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .",
    )  # fmt: skip
    assert alpha(four) == pytest.approx(0.743, abs=5e-4)
    assert alpha(values("1 1 1", "1 1 1")) is None and alpha(values("1 0 .", ". . 1")) is None


def of(items, system: str, dialogues: list[str] = IDS) -> list[str]:
    return [item.id for item in items if item.of[0][1] == system and item.of[0][0] in dialogues]


def test_figures_of_two_people(rated):
    items = read_items()
    answers = {(id_, "ana"): YES for id_ in of(items, "tuned")}
    answers |= {(id_, "ana"): YES | {"customer": False} for id_ in of(items, "base")}
    answers |= {(id_, "ben"): NO for id_ in of(items, "tuned", IDS[:3])}
    # Half an item counts for its question, and not for the score.
    answers[of(items, "reference")[0], "ben"] = dict.fromkeys(QUESTIONS) | {"agent": True}
    found = results(items, answers)["people"]
    assert (found["raters"], found["items"]) == (2, 61)
    assert found["tuned"]["dialogues"] == 30 and found["tuned"]["score"] == (27 * 3 + 3 * 1.5) / 30
    assert found["tuned"]["customer"] == 95 and found["base"]["customer"] == 0
    assert found["base"]["score"] == found["base"]["score_low"] == 2
    assert found["reference"] == {
        "dialogues": 0,
        "customer": None,
        "agent": 100,
        "two_sentences": None,
    }
    gap = found["tuned_minus_base"]
    assert gap["score"] == 0.85 and gap["score_low"] < 0.85 < gap["score_high"] and gap["p"] < 0.001
    assert found["agent_alpha"] == round(alpha([[True, False]] * 3), 3)


def test_an_answer_to_a_summary_that_has_changed_is_counted_as_stale(rated):
    items = read_items()
    save_answers({(item.id, "ana"): YES for item in items})
    before = results(items, read_answers())
    write_summaries("tuned", {id_: f"new {id_}" for id_ in IDS[:10]} | {id_: f"tuned, café {id_}" for id_ in IDS[10:]})  # fmt: skip
    found = results(read_items(), read_answers())
    assert found["stale_answers"] == 10 and before["stale_answers"] == 0
    assert found["people"]["tuned"]["dialogues"] == 20
    assert found["summaries"]["tuned"] != before["summaries"]["tuned"]
    assert "10 answers are to summaries that have changed since" in lines(found)[0]


def test_ratings_in_a_project(reproduced, tmp_path, monkeypatch):
    """Sheets out and in; DVC has the answers, `metrics diff` and the comment have the figures."""
    shutil.copytree(reproduced.root, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError, match="no answers yet"):
        tool.count()
    tool.write_sheets(4, SYSTEMS, ["ana", "ben"], ",")
    for rater, word in (("ana", "yes"), ("ben", "nein")):
        file = project.root / f"ratings/{rater}.csv"
        rows = fill(file, [[word] * 3] * 20)
        with open(file, "w", encoding="utf-8", newline="") as out:
            csv.writer(out, delimiter=";").writerows(rows)
    sheets = ["ratings/ana.csv", "ratings/ben.csv"]
    out = project.python("-m", "tools.ratings", "score", *sheets).stdout
    assert "git add data/ratings.csv.dvc metrics/ratings.json" in out
    assert project.run("git", "status", "--porcelain").stdout.split() == [
        "??", "data/ratings.csv.dvc", "??", "metrics/ratings.json"
    ]  # fmt: skip
    assert "people.tuned.score" in project.dvc("metrics", "diff").stdout

    def said() -> str:
        return comment(commit("HEAD"), working_tree())

    assert "| `people` | `tuned` |  | 1.50 (1.50 to 1.50), 4 |" in said()
    # A new answer shows in `dvc status`; the pipeline and the card of a version do not mind.
    save_answers({(read_items()[0].id, "cy"): YES})
    assert json.loads(project.dvc("status", "--json").stdout).keys() == {"data/ratings.csv.dvc"}
    assert "up to date" in project.dvc("repro").stdout
    assert "base_model" in current_card(load().card)
    # Other summaries than those that were rated.
    assert "are of other summaries" not in said()
    lock = project.root / "dvc.lock"
    hash_ = json.loads((project.root / "metrics/ratings.json").read_text())["summaries"]["tuned"]
    lock.write_text(lock.read_text().replace(hash_, "f" * 32))
    assert "are of other summaries than it has, by `tuned`" in said()
