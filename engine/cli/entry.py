"""Finds the command, runs it, and turns what goes wrong into words and an exit code.

Exit codes: 0 done; 1 some objects were quarantined or refused, or a peer or the spool failed; 2 usage or
configuration; 70 a fault of Penstock itself; 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

import click

from engine.cli import output
from engine.errors import ConfigError, PenstockError
from engine.version import VERSION

DONE, SOME_REFUSED, USAGE, FAULT, INTERRUPTED = 0, 1, 2, 70, 130

# Each stands in engine/cli/<name>.py as `command`. The words are here so that --help need not import any.
COMMANDS = {
    "demo": "A platform and a gateway on this machine, and a study that travels from one to the other.",
    "up": "Run the gateway.",
    "platform": "Run the reference platform.",
    "batch": "Pseudonymize a folder into another folder.",
    "send": "Send objects by C-STORE, and measure it.",
    "hash": "The hashed ID of a Patient ID.",
    "secret": "Make a hash secret.",
    "enroll": "Make this machine a gateway of an institution, by a token of the platform.",
    "profile": "What a profile does to each attribute.",
    "top": "The gateway as it works: rates, what limits it, disk, peers, destinations.",
    "tune": "Find the settings that suit this machine and your objects.",
    "status": "What the gateway is doing, and what waits in its spool.",
    "workers": "How many workers a gateway has; more or fewer while it runs.",
    "doctor": "Examine a spool and its surroundings: what the gateway would do, and what you should.",
    "where": "What became of a patient's studies.",
}


class LazyGroup(click.Group):
    """A group whose commands are modules that are not imported before they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"engine.cli.{name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"engine.cli.{name}.command is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    "penstock",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command that reports takes --json. Exit codes: 0 done, 1 some were refused, 2 usage.",
)
@click.version_option(VERSION, "--version", prog_name="penstock", message="%(prog)s %(version)s")
def penstock() -> None:
    """Takes DICOM studies from a PACS to a research platform and leaves the patients' identities behind."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `penstock` with these arguments (those of the process if None) and returns the exit code.

    A command says its code by returning an int; None is 0.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        code = penstock.main(args=given, prog_name="penstock", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        hint = f"see: {error.ctx.command_path} --help" if error.ctx else ""
        return _fail(ConfigError("usage", error.format_message(), hint=hint), USAGE, as_json)
    except click.ClickException as error:
        return _fail(ConfigError("usage", error.format_message()), USAGE, as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo("penstock: interrupted", err=True)
        return INTERRUPTED
    except PenstockError as error:
        return _fail(error, USAGE if isinstance(error, ConfigError) else SOME_REFUSED, as_json)
    except OSError as error:
        return _fail_of_system(error, as_json)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "engine":
            return _fail_of_ours(error, as_json)
        hint = "pip install 'dicom-penstock[platform]' has the packages of every command"
        return _fail(
            ConfigError("package-missing", f"needs the package {error.name}", hint=hint), USAGE, as_json
        )
    except Exception as error:  # noqa: BLE001 - a traceback would show messages, and those may show values
        return _fail_of_ours(error, as_json)


def _fail(error: PenstockError, code: int, as_json: bool) -> int:
    output.report_error(error, as_json=as_json)
    return code


def _fail_of_system(error: OSError, as_json: bool) -> int:
    if error.errno == errno.EPIPE:
        # Who read our output has gone; Python would fail again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_REFUSED
    about = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
    message = f"{error.strerror or type(error).__name__}{about}"
    return _fail(ConfigError("system", message), USAGE, as_json)


def _fail_of_ours(error: Exception, as_json: bool) -> int:
    if os.environ.get("PENSTOCK_TRACEBACK"):
        raise error
    from engine.log.fields import of_error

    told = of_error(error)
    message = f"a fault of Penstock itself: {told['error']} at {told.get('at', 'an unknown place')}"
    hint = "please report it; PENSTOCK_TRACEBACK=1 shows all of it, perhaps with values from your data"
    return _fail(PenstockError("fault", message, hint=hint), FAULT, as_json)
