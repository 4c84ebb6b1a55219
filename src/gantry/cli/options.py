"""Options that every command takes, with one spelling."""

from pathlib import Path

import click

FROM_STDIN = "-"  # as a secret's value: it is read from there

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GANTRY_HOME",
    default=Path("~/.gantry"),
    show_default=True,
    show_envvar=True,
    help="The home directory.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def split_models(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the models in an option's value, as a click callback."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())
