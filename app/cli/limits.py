"""`penstock limits`: how many runs apps and keys may have open, and begin in a minute."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.arguments import APP
from app.cli.output import print_json, print_table
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.store import apps as stored_apps
from worker.store import keys as stored_keys
from worker.store import limit_settings as stored_limits
from worker.store.limit_settings import LimitFacts

#: Largest number that a column takes.
MOST = 2**31 - 1

#: Words for a number: no limit at all, and whatever the settings of the deployment say.
WORDS = {"none": 0, "default": None}

NAMES = ("max_concurrency", "max_rate", "max_burst")


class LimitType(click.ParamType):
    """A number that may end in ``unit``, or one of ``WORDS``."""

    name = "N|none|default"

    def __init__(self, unit: str = "") -> None:
        self._unit = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None]:
        """In a tuple, since None means something here and an option that was not given is None."""
        if isinstance(value, tuple):
            return value
        if value in WORDS:
            return (WORDS[value],)
        number = value.removesuffix(self._unit)
        if not (number.isascii() and number.isdecimal() and int(number) <= MOST):
            self.fail(f"{value!r} is no limit: give a whole number up to {MOST}, `none` or `default`.", param, ctx)
        return (int(number),)


KEY = click.option("--key", metavar="KEY", help="One of the app's keys, not the app: its id, its first characters, or the key itself.")


@click.group()
def limits() -> None:
    """How many runs apps and keys may have open, and begin in a minute. APP is an app's id or name."""


@limits.command("set")
@APP
@KEY
@click.option("--max-concurrency", type=LimitType(), help="Runs that may be open at a time.")
@click.option("--max-rate", type=LimitType("/min"), help="Runs that may begin in a minute: `60` or `60/min`.")
@click.option("--max-burst", type=LimitType(), help="Of these, how many may begin at once; `default`: all of them.")
@click.option("--json", "as_json", is_flag=True)
@pass_config
def set_(config: Config, app: str, key: str | None, as_json: bool, **numbers: tuple[int | None] | None) -> None:
    """Limit an app, or one of its keys; what is not named stays as it is. `none`: no limit, `default`: the deployment's setting."""
    changes = {name: number[0] for name, number in numbers.items() if number is not None}
    if not changes:
        raise click.UsageError("Name a limit to set: --max-concurrency, --max-rate or --max-burst.")
    with opened(config) as database, database.begin() as session:
        app_id, key_id = find(session, app, key)
        stored_limits.change_limits(session, app_id, key_id, **changes)
        found = stored_limits.list_limits(session, config, app_id)
    show_all([one for one in found if one.key_id == key_id], as_json)


@limits.command()
@click.argument("app", metavar="[APP]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON line an app or key.")
@pass_config
def show(config: Config, app: str | None, as_json: bool) -> None:
    """What counts for an app and each of its keys, or for all apps and the keys that have limits of their own."""
    with opened(config) as database, database.read() as session:
        app_id = stored_apps.find_app(session, app).id if app else None
        found = stored_limits.list_limits(session, config, app_id)
    show_all(found, as_json)


@limits.command()
@APP
@KEY
@pass_config
def clear(config: Config, app: str, key: str | None) -> None:
    """Forget the limits of an app, or of one of its keys: the settings of the deployment count again."""
    with opened(config) as database, database.begin() as session:
        stored_limits.clear_limits(session, *find(session, app, key))


def find(session: Session, app: str, key: str | None) -> tuple[str, str | None]:
    """Ids of what a command is about. Raises ``NotFound``."""
    app_id = stored_apps.find_app(session, app).id
    return app_id, None if key is None else stored_keys.find_key(session, app_id, key).id


def show_all(found: list[LimitFacts], as_json: bool) -> None:
    if as_json:
        for one in found:
            print_json(facts(one))
        return
    rows = ([one.app_name, one.key_name or one.key_prefix, *(shown(one, name) for name in NAMES), one.open_runs] for one in found)
    print_table(("App", "Key", "Open at a time", "A minute", "At once", "Open now"), rows)


def facts(one: LimitFacts) -> dict[str, Any]:
    """What counts, and below ``set`` what operators have set; 0: no limit, null: nothing is set."""
    names = {"app_id": one.app_id, "app": one.app_name, "key_id": one.key_id, "key": one.key_prefix or None, "key_name": one.key_name}
    return {**names, **asdict(one.limits), "set": asdict(one.stored), "open_runs": one.open_runs}


def shown(one: LimitFacts, name: str) -> str:
    """A number; in brackets if it is not the app's or key's own."""
    number = getattr(one.limits, name) or "none"
    return f"{number}" if getattr(one.stored, name) is not None else f"({number})"
