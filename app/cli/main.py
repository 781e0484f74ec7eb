"""The `penstock` command line. Every failure is one sentence on stderr and a non-zero exit code, never a traceback."""

from __future__ import annotations

import importlib
import sys

import click

from app.cli.failures import say, sentence_of

#: Command -> (module, attribute). Modules are imported when their command is asked for: `up` must be ready within seconds.
COMMANDS = {
    "up": ("app.cli.up", "up"),
    "web": ("app.cli.serve", "web"),
    "worker": ("app.cli.serve", "worker"),
    "migrate": ("app.cli.serve", "migrate"),
    "apps": ("app.cli.apps", "apps"),
    "keys": ("app.cli.keys", "keys"),
    "limits": ("app.cli.limits", "limits"),
    "providers": ("app.cli.providers", "providers"),
    "tools": ("app.cli.tools", "tools"),
    "run": ("app.cli.run", "run"),
    "dev-model": ("app.cli.dev_model", "dev_model"),
    "runs": ("app.cli.runs", "runs"),
    "batch": ("app.cli.batch", "batch"),
    "doctor": ("app.cli.doctor", "doctor"),
    "webhooks": ("app.cli.webhooks", "webhooks"),
    "schedules": ("app.cli.schedules", "schedules"),
    "triggers": ("app.cli.triggers", "triggers"),
    "knowledge": ("app.cli.knowledge", "knowledge"),
    "quickstart": ("app.cli.quickstart", "quickstart"),
}


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="penstock")
def penstock() -> None:
    """Run Dify workflow apps as a service."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `penstock` script; always raises ``SystemExit``."""
    try:
        code = penstock.main(args=arguments, prog_name="penstock", standalone_mode=False)
    except click.exceptions.Abort:
        _fail("Interrupted.", 130)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except Exception as error:  # The one place where a command's failure becomes a sentence.
        _fail(sentence_of(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    say(message)
    sys.exit(code)
