"""LiteLLM's virtual keys: what they might do is carried over, they themselves are not."""

from collections.abc import Mapping
from typing import Any

import pytest

from gantry.core.limit_words import LimitWords
from gantry.core.periods import Period
from gantry.imports.durations import days_in, period_of, seconds_in
from gantry.imports.finding import Fate
from gantry.imports.litellm_keys import KEYS, read_keys
from gantry.imports.plan import Plan, PlannedKey
from gantry.imports.rows import BadRow, read_rows

NOW = 1_795_000_000_000_000_000  # 2026-11-18

# The columns are those of LiteLLM_VerificationToken in schema.prisma of github.com/BerriAI/litellm; `{a,b}` is how
# PostgreSQL's COPY writes an array.
SAMPLE = """\
token,key_name,key_alias,spend,expires,models,max_budget,budget_duration,rpm_limit,tpm_limit,max_parallel_requests,\
soft_budget,metadata,blocked,team_id,surprise
aa11,sk-...Wxyz,ci,1.5,2027-01-01 00:00:00,"{house-large,""house small""}",5,30d,100,20000,4,4,"{""o"": ""x""}",f,t1,?
bb22,sk-...Dead,old,0,,"{}",,,,,,,{},t,,
cc33,sk-...Gone,late,0,2025-01-01T00:00:00Z,"[""all-proxy-models""]",,,,,,,{},,,
dd44,sk-...Free,,0,,"[""all-proxy-models""]",7,3d,,,,,{},,,
ee55,sk-...Same,ci,0,,"[""all-team-models"",""house-large""]",,,0,,,,{},,,
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    rows = [row for row in read_rows([SAMPLE.encode()]) if not isinstance(row, BadRow)]
    assert len(rows) == 5
    return read_keys([row.members for row in rows], NOW)


def fates(plan: Plan) -> Mapping[str, tuple[Fate, str]]:
    return {one.place: (one.fate, one.words) for one in plan.findings}


def test_keys_are_made_anew_with_their_names_models_and_expiry(plan: Plan) -> None:
    assert plan.keys == (
        PlannedKey(
            name="ci",
            known_as="sk-...Wxyz",
            models=("house-large", "house small"),
            expires_at=1_798_761_600_000_000_000,
        ),
        PlannedKey(name="sk-...Free", known_as="sk-...Free"),
        PlannedKey(name="ci (2)", known_as="sk-...Same", models=("house-large",)),
    )


def test_their_budgets_are_limits(plan: Plan) -> None:
    assert plan.limits == (
        LimitWords(key="ci", cost=5.0, per=Period.MONTH),
        LimitWords(key="ci", cost=4.0, per=Period.MONTH, warn=True, name="soft_budget"),
        LimitWords(key="ci", requests=100, per=Period.MINUTE),
        LimitWords(key="ci", tokens=20_000, per=Period.MINUTE),
        LimitWords(key="ci", concurrency=4),
    )


def test_what_is_left_is_said_key_by_key(plan: Plan) -> None:
    said = fates(plan)
    assert said["keys[0].token"][0] is Fate.NEEDLESS
    for place in ("keys[0].spend", "keys[0].metadata", "keys[0].team_id", "keys[4].rpm_limit"):
        assert said[place][0] is Fate.LEFT, place
    assert said["keys[0].surprise"][0] is Fate.UNKNOWN
    assert "blocked" in said["keys[1].key_alias"][1]
    assert "expired" in said["keys[2].key_alias"][1]
    assert "no limit has such a period" in said["keys[3].max_budget"][1]
    assert "another key is called so" in said["keys[4].key_alias"][1]
    assert "narrow it" in said["keys[4].models"][1]


def test_every_column_of_the_table_has_a_word() -> None:
    # The model LiteLLM_VerificationToken, without relations.
    columns = """
        token key_name key_alias soft_budget_cooldown spend expires models aliases config router_settings user_id
        team_id agent_id project_id permissions max_parallel_requests metadata blocked tpm_limit rpm_limit max_budget
        budget_duration budget_reset_at allowed_cache_controls allowed_routes policies access_group_ids model_spend
        model_max_budget budget_id organization_id object_permission_id created_at created_by updated_at updated_by
        last_active rotation_count auto_rotate rotation_interval last_rotation_at key_rotation_at budget_limits
    """
    assert {f"keys[].{name}" for name in columns.split()} <= KEYS.keys()


@pytest.mark.parametrize(
    ("span", "period"),
    [
        (None, Period.LIFETIME),
        ("1m", Period.MINUTE),
        ("60s", Period.MINUTE),
        ("1h", Period.HOUR),
        ("24h", Period.DAY),
        ("1d", Period.DAY),
        ("7d", Period.WEEK),
        ("30d", Period.MONTH),
        ("1mo", Period.MONTH),
        ("1y", Period.YEAR),
        ("3d", None),
        ("soon", None),
    ],
)
def test_a_span_is_a_period_or_none(span: Any, period: Period | None) -> None:
    assert period_of(span) is period


def test_spans_in_seconds_and_days() -> None:
    assert (seconds_in(90), seconds_in("2w"), seconds_in("x")) == (90, 1_209_600, None)
    assert (days_in("30d"), days_in("1h"), days_in("0d"), days_in(None)) == (30, 1, None, None)
