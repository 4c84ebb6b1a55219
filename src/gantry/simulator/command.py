"""`gantry simulate`, also `python -m gantry.simulator`: run the simulator until SIGINT or SIGTERM."""

import asyncio
import contextlib
import logging
import signal
import ssl
import sys
from pathlib import Path

import click
import uvloop

from gantry.simulator.faults import table
from gantry.simulator.server import Settings, Simulator

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _print_faults(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    rows = table()
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, kind, meaning in rows:
        click.echo(f"{name:<{first}}  {kind:<{second}}  {meaning}")
    context.exit()


@click.command("simulate")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9700, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--compress/--no-compress", default=True, show_default=True, help="gzip and br when a client asks.")
@click.option(
    "--tokens-per-second",
    default=0.0,
    type=click.FloatRange(0),
    help="Pace of streams; 0 is as fast as possible.",
)
@click.option("--first-token", default=0.0, type=click.FloatRange(0), help="Seconds before a stream's first event.")
@click.option(
    "--journal",
    default=1000,
    show_default=True,
    type=click.IntRange(0),
    help="Requests kept for /_simulator/requests; 0 keeps none.",
)
@click.option("--certificate", type=_FILE, help="Serve TLS with this certificate chain (PEM).")
@click.option("--private-key", type=_FILE, help="The private key of the certificate, if it is another file.")
@click.option(
    "--faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_faults,
    help="List the faults, and exit.",
)
def command(
    host: str,
    port: int,
    compress: bool,
    tokens_per_second: float,
    first_token: float,
    journal: int,
    certificate: Path | None,
    private_key: Path | None,
) -> None:
    """Run providers that speak the real wire formats, with faults on demand.

    Each has a path of its own: /mistral (also the root), /openai, /azure, /anthropic, /gemini, /vertex (its tokens come
    from /vertex/token), /bedrock (the secret of AKIASIMULATOR is simulator-secret) and /cohere. Any key will do that
    does not begin with "bad".
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, private_key)
    settings = Settings(compress, first_token, tokens_per_second, journal)
    try:
        uvloop.run(_serve(Simulator(host, port, settings=settings, tls=tls)))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


async def _serve(simulator: Simulator) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with simulator:
        with contextlib.suppress(BrokenPipeError):
            click.echo(f"simulator listening on {simulator.url}")
        await stop.wait()
