"""`gantry`: the commands, each in a module of its own that is imported only when it is called.

Law: data goes to stdout, messages to stderr. Starting `gantry serve` does not pay for importing a database's libraries.
"""

import sys
from importlib import import_module
from typing import NamedTuple

import click

from gantry import __version__


class Entry(NamedTuple):
    """Where a command is, and its line in the overview, which must not import it."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "serve": Entry("gantry.cli.serve", "command", "Run the gateway."),
    "demo": Entry("gantry.cli.demo", "command", "Run a gateway with simulated providers and sample calls."),
    "simulate": Entry("gantry.cli.simulate", "command", "Run simulated providers."),
    "keys": Entry("gantry.cli.keys", "group", "Create, list, change, revoke and rotate API keys."),
    "providers": Entry("gantry.cli.providers", "group", "Add, change, list, remove and test provider credentials."),
    "models": Entry("gantry.cli.models", "group", "List models, name your own, ask providers for their lists."),
    "prices": Entry(
        "gantry.cli.prices", "group", "Show prices, explain a cost, price history again, compare with a bill."
    ),
    "limits": Entry("gantry.cli.limits", "group", "Limit what keys, customers, models and all together may use."),
    "credits": Entry(
        "gantry.cli.credits", "group", "Show and add the credits that platform credentials are paid with."
    ),
    "retention": Entry("gantry.cli.retention", "group", "Show and set how long logs are kept."),
    "books": Entry("gantry.cli.books", "group", "Show and set what holds for all of an organization's money."),
    "organizations": Entry("gantry.cli.organizations", "group", "Add and list organizations."),
    "console": Entry("gantry.cli.console", "group", "Show the way into the web console."),
    "people": Entry("gantry.cli.people", "group", "Say who signs in to the console, and what they may do there."),
    "audit": Entry("gantry.cli.audit", "group", "Show who changed what, and check that nobody touched the record."),
    "groups": Entry("gantry.cli.groups", "group", "List, set and remove load balance groups."),
    "routing": Entry("gantry.cli.routing", "group", "Show, change and roll back the routing rules."),
    "route": Entry("gantry.cli.route", "group", "Explain where a call would go, and why."),
    "health": Entry("gantry.cli.health", "group", "Show and reset what is known of deployments."),
    "alerts": Entry("gantry.cli.alerts", "group", "Say who wants to hear of what, and see what was told."),
    "usage": Entry("gantry.cli.usage", "command", "Show requests, tokens, cost and errors of the last days."),
    "customers": Entry("gantry.cli.customers", "group", "List and show customers, and set what they may spend."),
    "logs": Entry("gantry.cli.logs", "group", "Read request logs."),
    "cache": Entry("gantry.cli.cache", "group", "List, measure and clear the response cache."),
    "import": Entry("gantry.cli.importing", "group", "Bring over configurations and logs of other gateways."),
    "secrets": Entry("gantry.cli.secrets", "group", "Put another master key in place of the one that seals."),
    "backup": Entry("gantry.cli.backup", "backup", "Back a home up into one file, while the gateway runs."),
    "restore": Entry("gantry.cli.backup", "restore", "Restore a backup into an empty home."),
    "upgrade": Entry("gantry.cli.upgrade", "command", "Rehearse the upgrade of the databases on a copy."),
    "migrate-store": Entry("gantry.cli.migrate_store", "command", "Move the store to PostgreSQL, while calls pass."),
    "check": Entry("gantry.cli.check", "command", "Check gantry.toml, the catalogue and the home, offline."),
    "status": Entry("gantry.cli.status", "command", "Show processes, lag, journal and snapshot."),
    "doctor": Entry("gantry.cli.doctor", "command", "Look for faults in the home's files and keys."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gantry")
def gantry() -> None:
    """A self-hosted LLM gateway: one URL and one key in front of every model provider."""


def main() -> None:
    try:
        gantry(prog_name="gantry")
    except PermissionError as error:
        name = error.filename or "a file"
        click.echo(f"Error: {name}: {error.strerror}. Run it as the user that the gateway runs as.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
