"""The field of turns that says who speaks is found, whatever it is called."""

import polars as pl
import pytest

from stages.cleaning.columns import find_columns
from stages.cleaning.roles import guess_roles

SAID = ["my {} leaks badly", "a photo of the {}, please", "here is the photo of it", "thank you"]
SIDES = [0, 1, 0, 1]


def table(fields: dict[str, tuple]) -> pl.DataFrame:
    """Conversations whose turns have these fields, of the customer's and the agent's value."""
    rows = []
    for goods in ("kettle", "lamp", "chair", "router"):
        turns = []
        for text, side in zip(SAID, SIDES, strict=True):
            turn = {name: pair[side] for name, pair in fields.items()}
            turns.append({k: v.format(goods) if isinstance(v, str) else v for k, v in turn.items()})
            turns[-1]["text"] = text.format(goods)
        rows.append({"thread": turns, "summary": f"The {goods} of the customer leaks."})
    return pl.DataFrame(rows)


@pytest.mark.parametrize("name", ["sentBy", "actor", "origin", "source", "écrit_par"])
@pytest.mark.parametrize(
    "sides", [("Consumer", "Agent"), ("visitor", "operator"), ("Client", "Conseiller")]
)
def test_a_field_of_both_sides_says_who_speaks(name, sides):
    fields = {"participantId": ("of {}", "q1"), name: sides, "status": ("sent", "read")}
    assert find_columns(table(fields)).speaker == name


@pytest.mark.parametrize(("name", "first"), [("isCustomer", "customer"), ("isAgent", "agent")])
def test_a_yes_or_no_in_capitals_says_who_speaks(name, first):
    fields = {name: (True, False), "isRead": (True, False)}
    assert find_columns(table(fields)).speaker == name
    assert guess_roles(["true", "false"], name)["true"] == first


@pytest.mark.parametrize(
    "fields",
    [
        {"isEdited": (True, False)},
        {"source": ("web", "app")},
        {"origin": ("customer", "shop")},
        {"group": ("agent", "bot")},  # of one side
    ],
)
def test_other_fields_say_nothing_of_who_speaks(fields):
    assert find_columns(table(fields)).speaker is None


@pytest.mark.parametrize("name", ["author", "name", "sender.name"])
@pytest.mark.parametrize(
    ("other", "sides"), [("mode", ("human", "bot")), ("lastReadBy", ("agent", "customer"))]
)
def test_a_field_of_both_sides_gives_way_to_one_that_names_people(name, other, sides):
    outer, _, inner = name.partition(".")
    people = [{inner: who} if inner else who for who in ("Mira", "Tom")]
    assert find_columns(table({other: sides, outer: tuple(people)})).speaker == name


@pytest.mark.parametrize("flag", ["isInternal", "is_internal"])
def test_a_field_of_both_sides_comes_before_a_yes_or_no(flag):
    assert (
        find_columns(table({flag: (True, False), "sentBy": ("user", "agent")})).speaker == "sentBy"
    )


def test_who_may_read_a_turn_does_not_speak():
    assert find_columns(table({"visibility": ("external", "internal")})).speaker is None


@pytest.mark.parametrize(
    "name", ["waiter_name", "nextcloud_user", "assigned_speaker", "contextRole"]
)
def test_a_name_with_the_letters_of_to_or_next_in_it_is_one_of_who_speaks(name):
    assert find_columns(table({name: ("Mira", "Tom")})).speaker == name


@pytest.mark.parametrize(
    "other", ["to", "sentTo", "toUser", "recipient_role", "waiting_on", "assignee.type"]
)
@pytest.mark.parametrize("name", ["sender", "from_role", "participant"])
@pytest.mark.parametrize("sides", [("Mira", "Tom"), ("customer", "agent")])
def test_who_is_spoken_to_does_not_speak(other, name, sides):
    outer, _, inner = other.partition(".")
    to = [{inner: side} if inner else side for side in ("agent", "customer")]
    assert find_columns(table({outer: tuple(to), name: sides})).speaker == name


@pytest.mark.parametrize("kind", ["event", "source"])
@pytest.mark.parametrize("silent", [None, " "])
@pytest.mark.parametrize("sides", [("user", "bot"), ("visitor", "operator")])
def test_turns_without_a_text_do_not_say_who_speaks(kind, silent, sides):
    rows = table({kind: sides}).to_dicts()
    for row in rows:
        steps = [{kind: "action", "text": silent, "name": f"step_{n % 2}"} for n in range(4)]
        row["thread"] = steps + [turn | {"name": None} for turn in row["thread"]]
    assert find_columns(pl.DataFrame(rows)).speaker == kind
