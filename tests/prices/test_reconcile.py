"""Exports of providers: what is read out of them, what is refused, and how they stand beside our books."""

from datetime import date

import pytest

from gantry.prices.exports import Amounts, ExportUnreadable, Line, load_formats, read_export
from gantry.prices.load import load_rates
from gantry.prices.reconcile import Compared, reconcile, total_of

ANTHROPIC = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
usage_output_tokens,web_search_count,inference_geo,speed
2026-11-22,claude-sonnet-4-5-20250929,main,Default,standard,\N{LESS-THAN OR EQUAL TO} 200k,100,20,3,4,50,0,global,
2026-11-22,claude-sonnet-4-5-20250929,other,Default,batch,\N{LESS-THAN OR EQUAL TO} 200k,1,0,0,0,1,0,global,
"""
OPENAI_USAGE = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,\
service_tier,input_tokens,output_tokens,input_cached_tokens
1795305600,1795392000,2026-11-22T00:00:00+00:00,2026-11-23T00:00:00+00:00,p,3,u,key_1,gpt-4o-2024-08-06,,,1000,500,7
1795392000,1795478400,2026-11-23T00:00:00+00:00,2026-11-24T00:00:00+00:00,,,,,,,,,,
"""
OPENAI_COST = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id,\
organization_name
1,2,2026-11-22T00:00:00+00:00,2026-11-23T00:00:00+00:00,0.8958740000000000,usd,"gpt-4o-2024-08-06, input",,org-1,P
1,2,2026-11-22T00:00:00+00:00,2026-11-23T00:00:00+00:00,0.1,usd,"gpt-4o-2024-08-06, output",,org-1,P
1,2,2026-11-23T00:00:00+00:00,2026-11-24T00:00:00+00:00,,,,,,
"""
DAY = date(2026, 11, 22)


def test_each_providers_export_is_known_by_its_columns() -> None:
    usage = read_export(ANTHROPIC)
    assert (usage.format.provider, usage.format.assumed, usage.unknown) == ("anthropic", False, [])
    assert usage.lines == [
        Line(DAY, "claude-sonnet-4-5-20250929", "main", Amounts(127, 50)),
        Line(DAY, "claude-sonnet-4-5-20250929", "other", Amounts(1, 1)),
    ]
    usage = read_export("\ufeff" + OPENAI_USAGE)
    assert (usage.format.provider, usage.unknown) == ("openai", [])
    assert usage.lines[0] == Line(DAY, "gpt-4o-2024-08-06", "key_1", Amounts(1000, 500))
    cost = read_export(OPENAI_COST)
    assert (cost.format.name, cost.unknown) == ("cost", [])
    assert cost.lines[0] == Line(DAY, "gpt-4o-2024-08-06", "", Amounts(cost=895_874_000))
    mistral = read_export("date,model,input_tokens,output_tokens,cost,mood\n2026-11-22,codestral-2508,1,2,$0.5,good\n")
    assert (mistral.format.provider, mistral.format.assumed, mistral.unknown) == ("mistral", True, ["mood"])
    assert mistral.lines == [Line(DAY, "codestral-2508", "", Amounts(1, 2, 500_000_000))]


def test_columns_may_be_named() -> None:
    text = 'When,What,Price\n1795341600,m,"1,000.5"\n2026-11-22T23:30:00-02:00,m,2\n'
    columns = {"day": "When", "model": "What", "cost": "Price"}
    for provider in ("mistral", "groq"):
        export = read_export(text, provider, columns)
        assert export.format.provider == provider
        assert [(line.day, line.amounts.cost) for line in export.lines] == [
            (DAY, 1_000_500_000_000),
            (date(2026, 11, 23), 2_000_000_000),
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no format is known with the columns \(none\)"),
        ("a,b\n1,2\n", "no format is known with the columns a, b; name those of day, model"),
        ("date,model,cost\n2026-11-22,m\n", "row 2 has 2 cells and the head 3"),
        ("date,model,cost\n2026-11-22,m,1\nsoon,m,1\n", "row 3: date is no day: 'soon'"),
        ("date,model,cost\n2026-11-22,m,much\n", "row 2: cost is no number: 'much'"),
        ("date,model,cost\n2026-11-22,m,NaN\n", "row 2: cost is no number: 'NaN'"),
        ("date,model,cost,currency\n2026-11-22,m,1,EUR\n", "row 2: amounts are in EUR, and the books are in USD"),
        ('date,model,cost\n2026-11-22,"m,1\n', "row 2 has 2 cells"),
    ],
)
def test_what_is_not_understood_is_said(text: str, message: str) -> None:
    with pytest.raises(ExportUnreadable, match=message):
        read_export(text)


def test_models_are_compared_by_what_their_names_mean() -> None:
    ours = [
        Line(DAY, "gpt-4o", "a", Amounts(600, 300, 7)),
        Line(DAY, "gpt-4o-2024-08-06", "b", Amounts(400, 200, 5)),
        Line(DAY, "house-model", "b", Amounts(1, 1, 0)),
    ]
    compared = reconcile(read_export(OPENAI_USAGE).lines, ours, "openai", load_rates())
    assert compared[0] == Compared(DAY, "gpt-4o", "", Amounts(1000, 500), Amounts(1000, 500, 12))
    assert compared[1] == Compared(DAY, "house-model", "", Amounts(0, 0), Amounts(1, 1, 0))
    assert len(compared) == 2, "a day without anything is no line"
    assert total_of(compared) == (Amounts(1000, 500), Amounts(1001, 501, 12))
    by_key = reconcile(read_export(OPENAI_USAGE).lines, ours, "openai", load_rates(), by_key=True)
    assert [(one.key, one.theirs.input_tokens, one.ours.input_tokens) for one in by_key if one.model == "gpt-4o"] == [
        ("a", 0, 600),
        ("b", 0, 400),
        ("key_1", 1000, 0),
    ]


def test_where_they_name_no_models_the_days_are_compared() -> None:
    theirs = [Line(DAY, "", "", Amounts(cost=5)), Line(DAY, "", "", Amounts(cost=2))]
    ours = [Line(DAY, "gpt-4o", "", Amounts(1, 1, 4)), Line(DAY, "gpt-5", "", Amounts(1, 1, 3))]
    assert reconcile(theirs, ours, "openai", load_rates()) == [
        Compared(DAY, "", "", Amounts(None, None, 7), Amounts(2, 2, 7))
    ]


def test_a_column_has_one_meaning() -> None:
    for one in load_formats():
        named = [one.day, one.model, one.key, one.currency, *one.input, *one.output, *one.cost, *one.others]
        present = [name for name in named if name]
        assert len(present) == len(set(present)), one.name
