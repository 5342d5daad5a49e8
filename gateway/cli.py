"""The command line's frame: it finds the commands, and turns what goes wrong into words and an exit code.

0   done, nothing to complain of
1   done, and something was found that a person should look at
2   not done: wrong usage, unusable settings, a file or database that cannot be reached
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib import metadata
from typing import Annotated

import typer

from gateway import commands, screen, usage
from gateway.fhir import failure
from gateway.fhir.errors import GatewayError

HELP = """医联体互联网关：收医院发来的消息，变成社区看得见的出院计划与转诊，再把答复送回去。

The alliance gateway: what a hospital sends becomes a plan on the clinic's list, and the answer goes back.
"""

# As a newcomer meets them; a command that is not named here comes after these.
ORDER = (
    "serve",
    "work",
    "listen",
    "demo",
    "convert",
    "encode",
    "validate",
    "replay",
    "ledger",
    "outbox",
    "report",
    "load",
    "reindex",
)


def build() -> typer.Typer:
    """The whole command line, one command for each file in gateway/commands."""
    app = typer.Typer(
        name="gateway",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_options)
    for name in command_names():
        module = importlib.import_module(f"gateway.commands.{name}")
        app.command(name)(getattr(module, name))
    return app


def command_names() -> list[str]:
    """The commands that there are, in the order in which help shows them."""
    found = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def main() -> None:
    """Run the command line; ends the process with one of the three exit codes."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows a question mark rather than a traceback.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        # Standing alone, typer would say in English what is wrong with a command line.
        ended = build()(sys.argv[1:] or ["--help"], standalone_mode=False)
    except GatewayError as error:
        screen.complain(error.issues)
        sys.exit(2)
    except typer.TyperException as error:
        screen.note(*usage.sentences(error))
        sys.exit(2)
    except OSError as error:
        if not error.filename:
            raise
        # A folder that is not there or cannot be written: the person's to mend, and no mistake of ours.
        zh, en = failure.words(error)
        screen.note(
            f"{error.filename}：{zh}；请换一个路径，或改权限。",
            f"{error.filename}: {en}; use another path, or change permissions.",
        )
        sys.exit(2)
    except typer.Abort:
        screen.note("已中断", "interrupted")
        sys.exit(1)
    sys.exit(ended if isinstance(ended, int) else 0)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"alliance-gateway {metadata.version('alliance-gateway')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="版本 · version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before a command."""
