"""Facts of the deployment."""

import re

from tests.contract.store.world import race
from worker.store.deployment import signing_secret
from worker.store.session import Database


def secret(database: Database) -> str:
    with database.begin() as session:
        return signing_secret(session)


def test_processes_that_start_together_agree_on_the_signing_secret(database: Database) -> None:
    secrets = race([lambda: secret(database)] * 8)

    assert len({*secrets, secret(database)}) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", secrets[0])
