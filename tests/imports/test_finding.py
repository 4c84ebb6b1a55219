"""Each member that was given has one finding; the gravest word for it stays."""

import pytest

from gantry.imports.finding import Fate, Notes, carried, changed, for_all, left, survey
from gantry.imports.sources import TABLES

TABLE = {"list[].name": carried("a name"), "list[].deep.a": left("not a"), "whole": carried("all of it")}


def test_a_member_that_no_table_knows_is_told_where_it_stands_and_not_looked_into() -> None:
    document = {"list": [{"name": "x", "odd": {"a": 1, "b": 2}, "deep": {"a": 1, "c": 3}}], "whole": {"any": 1}}
    assert [(place, field.fate) for place, field in survey(document, TABLE)] == [
        ("list[0].name", Fate.CARRIED),
        ("list[0].odd", Fate.UNKNOWN),
        ("list[0].deep.a", Fate.LEFT),
        ("list[0].deep.c", Fate.UNKNOWN),
        ("whole", Fate.CARRIED),
    ]


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_what_says_nothing_has_no_finding(nothing: object) -> None:
    assert list(survey({"whole": nothing, "odd": nothing}, TABLE)) == []


@pytest.mark.parametrize("something", [0, False, 0.0])
def test_zero_and_false_say_something(something: object) -> None:
    assert [place for place, _ in survey({"whole": something}, TABLE)] == ["whole"]


def test_a_container_that_holds_a_scalar_is_unknown() -> None:
    assert [(place, field.fate) for place, field in survey({"list": "text"}, TABLE)] == [("list", Fate.UNKNOWN)]


def test_of_several_words_for_a_place_the_gravest_stays() -> None:
    notes = Notes()
    notes.say("whole", changed("otherwise"))
    notes.say("whole", left("not at all"))
    notes.say("whole", carried("as it is"))
    (finding,) = notes.findings({"whole": 1}, TABLE, {"whole": 7})
    assert (finding.fate, finding.words, finding.line) == (Fate.LEFT, "not at all", 7)


def test_what_is_abandoned_takes_all_within_it_along_and_nothing_beside_it() -> None:
    notes = Notes()
    notes.say("list[0].name", carried("mine"))
    notes.abandon("list[0]", "not read")
    document = {"list": [{"name": "x", "odd": 1}, {"name": "y"}]}
    found = {one.place: (one.fate, one.words) for one in notes.findings(document, TABLE)}
    assert found["list[0].name"] == found["list[0].odd"] == (Fate.LEFT, "not read")
    assert found["list[1].name"] == (Fate.CARRIED, "a name")


def test_a_note_of_what_was_not_given_is_told_as_well() -> None:
    notes = Notes()
    notes.say("elsewhere", left("there is none"))
    assert [one.place for one in notes.findings({}, TABLE)] == ["elsewhere"]


def test_a_star_in_a_table_stands_for_any_letters_of_one_name_and_yields_to_the_name_itself() -> None:
    table = {"in.*_cost": left("a price"), "in.own_cost": carried("a price of one's own")}
    found = {place: field.fate for place, field in survey({"in": {"a_cost": 1, "own_cost": 2, "a_cost_b": 3}}, table)}
    assert found == {"in.a_cost": Fate.LEFT, "in.own_cost": Fate.CARRIED, "in.a_cost_b": Fate.UNKNOWN}


def test_for_all_names_each() -> None:
    assert set(for_all(left("x"), "a b", "in.")) == {"in.a", "in.b"}


@pytest.mark.parametrize("title", TABLES)
def test_every_word_of_a_table_is_a_sentence_for_people(title: str) -> None:
    for place, field in TABLES[title].items():
        assert field.words.strip() == field.words != "", place
        assert not field.words.endswith("."), place
