"""What was spent with a provider: by day from the sums, by credential from logs."""

from gantry.core.usage import Usage
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.spending import Spent
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]

DAY = 41  # of the thousandth hour
USAGE = Usage(input_tokens=10, output_tokens=5)


def test_days_from_the_first_to_the_last(logs: LogStore) -> None:
    spent = {"provider_id": "mistral", "model": "m", "usage": USAGE, "cost": 7, "deployment_name": "main"}
    logs.record(
        RecordBatch(
            logs=[
                make_log("a", **spent),
                make_log("b", **(spent | {"deployment_name": "spare", "cost": None, "price_missing": True})),
                make_log("c", **(spent | {"started_at": (DAY + 1) * 24 * HOUR})),
                make_log("d", **(spent | {"started_at": DAY * 24 * HOUR - 1})),
                make_log("e", **(spent | {"provider_id": "openai"})),
                make_log("f", **(spent | {"organization_id": OTHER})),
                make_log("g", **(spent | {"model": None})),
            ]
        )
    )

    def asked(first: int, last: int, *, by_credential: bool = False) -> set[Spent]:
        return set(logs.spending(ORGANIZATION, "mistral", (first, last), by_credential=by_credential))

    assert asked(DAY, DAY) == {Spent(DAY, "m", "", 20, 10, 7, 1), Spent(DAY, "", "", 10, 5, 7, 0)}
    assert asked(DAY + 1, DAY + 1) == {Spent(DAY + 1, "m", "", 10, 5, 7, 0)}
    assert len(asked(DAY - 1, DAY + 1)) == 4
    assert asked(DAY, DAY, by_credential=True) == {
        Spent(DAY, "m", "main", 10, 5, 7, 0),
        Spent(DAY, "m", "spare", 10, 5, 0, 1),
        Spent(DAY, "", "main", 10, 5, 7, 0),
    }
    logs.delete(ORGANIZATION, None, "a")
    assert Spent(DAY, "m", "", 20, 10, 7, 1) in asked(DAY, DAY)
    assert Spent(DAY, "m", "main", 10, 5, 7, 0) not in asked(DAY, DAY, by_credential=True)
