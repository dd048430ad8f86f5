"""The console script: the engine's commands, and `serve`."""

from __future__ import annotations

import gc
import logging
import os
import sys

import click

_TURN_SECONDS = 0.0005  # of a thread that others wait for


def main() -> None:
    """Run a command.  `serve` loads no other command's code: an editor waits for it."""
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2:], prog_name="greenfinch serve")
        return
    from engine.cli.main import cli, run

    cli.add_command(serve)
    run(cli)


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{value!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


@click.command()
@click.option("--stdio", is_flag=True, help="Speak over standard input and output (the default).")
@click.option("--tcp", metavar="HOST:PORT", callback=_address, help="Serve one client over TCP, for debugging.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What is logged to standard error.",
)
@click.option(
    "--client-timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="How long to wait for the editor's answer to an edit.",
)
def serve(stdio: bool, tcp: tuple[str, int] | None, log_level: str, client_timeout: float) -> None:
    """Speak the Language Server Protocol with an editor."""
    if stdio and tcp is not None:
        raise click.UsageError("--stdio and --tcp exclude each other")
    gc.disable()  # most of the start is importing the protocol's types; collecting meanwhile takes a fifth more
    import asyncio

    from lsp_server import serving
    from lsp_server.server import create_server

    gc.freeze()
    gc.enable()
    # Jobs parse and check texts in threads; beside them each of an answer's few steps waits for its turn, by default
    # for 5 ms.
    sys.setswitchinterval(_TURN_SECONDS)
    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if log_level != "debug":
        logging.getLogger("pygls").setLevel(logging.ERROR)  # logs every message's text, and every late answer

    async def session() -> int:
        server = create_server(client_timeout)
        return await (serving.over_tcp(server, *tcp) if tcp is not None else serving.over_stdio(server))

    status = asyncio.run(session())
    logging.shutdown()
    # Everything is closed.  A thread may still be blocked reading the client's pipe, and Python would wait for it.
    os._exit(status)
