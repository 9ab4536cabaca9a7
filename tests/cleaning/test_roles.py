"""`clean.roles` maps the speakers of the source to customer and agent, or keeps them."""

import polars as pl
import pytest

from stages.cleaning.roles import guess_roles, name_roles
from tests.cleaning.test_layouts import NONE
from tests.helpers.data import run_clean


def test_roles_are_mapped_in_any_case():
    turns = pl.DataFrame({"speaker": ["User", " ADMIN ", "Mira", None, "true"], "text": ["a"] * 5})
    roles = {"user": "customer", "Admin": "agent", True: "customer"}
    expected = ["customer", "agent", "Mira", None, "customer"]
    assert name_roles(turns, roles)["speaker"].to_list() == expected
    assert name_roles(turns, None) is turns


def test_only_signatures_of_agents_are_removed(tmp_path, monkeypatch):
    talk = [{"inbound": True, "text": "Help ^JS"}, {"inbound": False, "text": "Sure ^JS"}]
    rows = [
        {"talk": [*talk, {"inbound": True, "text": f"n {i}"}], "summary": "S."} for i in range(3)
    ]
    data = {s: [r] for s, r in zip(("train", "validation", "test"), rows, strict=True)}
    how = NONE | {
        "conversation": "talk",
        "speaker": "inbound",
        "text": "text",
        "references": "summary",
    }
    roles = {True: "customer", False: "agent"}
    kept = run_clean(tmp_path, monkeypatch, how, data, roles=roles, near_duplicates=None)
    assert [tuple(turn.values()) for turn in kept["train"][0]["turns"]] == [
        ("customer", "help js"),
        ("agent", "sure"),
        ("customer", "n 0"),
    ]


def test_what_a_program_tells_beside_an_agent_is_nobodys():
    assert guess_roles(["Customer", "System", "Agent"]) == {
        "customer": "customer",
        "agent": "agent",
    }
    assert guess_roles(["user", "system"]) == {"user": "customer", "system": "agent"}


def test_roles_are_guessed_from_speaker_names():
    names = ["User", "end-user", "customer_1", "Assistant", "Support Agent", "admin", "Mira", None]
    assert guess_roles(names) == {
        "user": "customer",
        "end-user": "customer",
        "customer_1": "customer",
        "assistant": "agent",
        "support agent": "agent",
        "admin": "agent",
    }


@pytest.mark.parametrize(
    ("field", "true"),
    [("inbound", "customer"), ("is_agent", "agent"), ("message.incoming", "customer")],
)
def test_roles_are_guessed_from_a_yes_or_no_field(field, true):
    other = {"customer": "agent", "agent": "customer"}[true]
    assert guess_roles(["true", "false", None], field) == {"true": true, "false": other}
    assert guess_roles(["1", "0"], field) == {"1": true, "0": other}
    assert guess_roles(["true", "Mira"], field) == guess_roles(["true", "false"], "edited") == {}


@pytest.mark.parametrize(
    ("customer", "agent"),
    [
        ("Client", "Conseiller"), ("Cliente", "Conseillère"), ("Kunde", "Berater"), ("Kundin", "Mitarbeiterin"),
        ("Kunde", "Agent"), ("Cliente", "Agente"), ("cliente", "Operatore"), ("Klant", "Medewerker"),
        ("Klient", "Konsultant"), ("Клиент", "Оператор"), ("客户", "客服"), ("お客様", "オペレーター"),
        ("고객", "상담원"), ("Kunde 1", "Agent 2"),
    ],
)  # fmt: skip
def test_both_sides_are_guessed_in_other_languages(customer, agent):
    expected = {customer.lower(): "customer", agent.lower(): "agent"}
    assert guess_roles([customer, agent, "Mira"]) == expected


@pytest.mark.parametrize("names", [["Bot", "Tom"], ["Client", "Zoé"], ["agent", "Tom", "Ann"], []])
def test_no_side_is_guessed_alone(names):
    assert guess_roles(names) == {}
