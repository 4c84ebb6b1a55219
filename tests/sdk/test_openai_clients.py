"""OpenAI's clients, black boxes all: straight at the simulator, and through the gateway at OpenAI and Mistral."""

import pytest

from tests.sdk.conftest import Drive, ReadLogs
from tests.sdk.environments import Client
from tests.sdk.expectations import Check
from tests.sdk.logs import Logged, check, find, log_tests
from tests.sdk.openai_logs import DEFECTS, rows_for
from tests.sdk.openai_table import ALL, TABLE
from tests.sdk.roads import Road

pytestmark = [pytest.mark.sdk, pytest.mark.slow]


@pytest.mark.parametrize(("client", "road", "case", "expected"), TABLE.tests(ALL))
def test_a_client_gets_what_it_asked_for(
    client: Client, road: Road, case: str, expected: Check, drive_client: Drive
) -> None:
    outcome = drive_client(client, road)[case]
    assert expected(client, outcome), outcome


@pytest.mark.parametrize(("client", "row"), log_tests(ALL, rows_for, DEFECTS))
def test_its_log_shows_units_cost_and_changes(client: Client, row: Logged, logs_of: ReadLogs) -> None:
    check(find(logs_of(client), row.where), row)
