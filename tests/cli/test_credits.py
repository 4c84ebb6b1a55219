"""`gantry credits`: entered once for a reference, shown, and published for the workers that count them."""

import json
from pathlib import Path

import pytest

from gantry.core.limits import CreditTerms
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import read_snapshot
from tests.cli.conftest import Run


def terms(home_path: Path) -> dict[str, CreditTerms | None]:
    """Return what workers would let organizations spend."""
    home = Home(home_path)
    snapshot = read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)
    return {of: books.credits for of, books in snapshot.body.books.items()}


@pytest.mark.slow
def test_credits_are_entered_listed_shown_and_published(run: Run, home_path: Path) -> None:
    assert run("credits", "balance").stdout.strip() == "$0.00"
    entered = run("credits", "add", "purchase", "100.10", "--reference", "r1", "--expires", "365d")
    entry_id = entered.stdout.split()[-1]
    assert "Entered $100.10; the balance is $100.10." in entered.stderr
    assert "it is live when `gantry serve` starts" in entered.stderr
    (found,) = terms(home_path).values()
    assert found == CreditTerms(granted=100_100_000_000)
    again = run("credits", "add", "purchase", "100.10", "--reference", "r1", "--expires", "365d", code=1)
    assert "'r1' is that of" in again.stderr  # it would expire a moment later
    run("credits", "add", "adjustment", "-0.1", "--description", "rounded", "--reference", "r2")
    once = run("credits", "add", "adjustment", "-0.1", "--description", "rounded", "--reference", "r2")
    assert "r2 was entered at" in once.stderr
    balance = run("credits", "balance")
    assert (balance.stdout, balance.stderr) == ("$100.00\n", "$100.00 granted, $0.00 charged\n")
    rows = run("credits", "list").stdout.splitlines()
    assert [row.split()[1] for row in rows] == ["TYPE", "adjustment", "purchase"]
    assert "1 of 2" in run("credits", "list", "-n", "1").stderr
    assert run("credits", "list", "--type", "usage").stdout.count("\n") == 1
    shown = json.loads(run("credits", "show", entry_id).stdout)
    assert (shown["amount"], shown["transaction_type"], shown["reference"]) == (100.1, "purchase", "r1")
    assert shown["author"].endswith("command line)")
    assert [one["id"] for one in json.loads(run("credits", "list", "--json").stdout)][-1] == entry_id
    view = json.loads(run("credits", "balance", "--json").stdout)
    assert view == {"balance": 100.0, "granted": 100.0, "charged": 0.0, "minimum_balance": 0.0}
    assert list(terms(home_path).values()) == [CreditTerms(granted=100_000_000_000)]


@pytest.mark.slow
def test_credits_of_another_organization_are_its_own(run: Run, home_path: Path) -> None:
    acme = run("organizations", "add", "Acme").stdout.split()[-1]
    run("credits", "add", "grant", "5", "--organization", "Acme")
    run("books", "set", "--org", "Acme", "--markup", "0.2", "--minimum-balance", "1", "--low-balance", "2")
    assert terms(home_path) == {acme: CreditTerms(5_000_000_000, 1_000_000_000, 200_000, 2_000_000_000)}
    assert "calls are refused at $1.00" in run("credits", "balance", "--org", "Acme").stderr
    assert run("credits", "balance").stdout == "$0.00\n"
    run("providers", "add", "mistral", "--api-key", "k", "--platform")
    first, second = terms(home_path).values()
    assert (first, second) == (CreditTerms(0), terms(home_path)[acme])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "gift", "5"), 2, "'gift' is not one of"),
        (("add", "usage", "5"), 2, "'usage' is not one of"),
        (("add", "grant", "much"), 2, "'much' is no amount in USD"),
        (("add", "grant", "nan"), 1, "amount: it must be an amount in USD"),
        (("add", "grant", "0"), 1, "amount: must not be 0"),
        (("add", "grant", "-5"), 1, "amount: a grant is positive"),
        (("add", "grant", "5", "--expires", "2020-01-01"), 1, "expires_at: is past"),
        (("show", "nobody"), 1, "no entry has the id 'nobody'"),
        (("balance", "--org", "nobody"), 1, "no organization has the id or name 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in run("credits", *arguments, code=code).stderr
