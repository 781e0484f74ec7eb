"""Delivers webhook messages beside the runs of a worker. Every worker does; the database gives each message to one of them at a time."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from functools import partial

from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.errors import RunStopped
from worker.engine.execution import Threads
from worker.engine.inbox import Inbox
from worker.engine.values import FileURL
from worker.outbound.client import GuardedClient
from worker.periodic import Periodic
from worker.store import deliveries
from worker.store.deliveries import Attempt, Delivery
from worker.store.errors import StorageUnavailable
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.webhooks.lanes import Lanes
from worker.webhooks.schedule import retry_s
from worker.webhooks.sending import ATTEMPT_S, Sender

logger = logging.getLogger(__name__)

#: Seconds between two looks for messages that are due.
LOOK_S = 1.0

#: Seconds for which a message belongs to its sender: longer than any attempt.
LEASE_S = ATTEMPT_S + 10.0

#: Seconds that attempts under way get when the worker is told to leave, and to end once they are interrupted.
GRACE_S = 3.0


class WebhookDispatcher:
    """``inbox`` is the cancellation of the sender, ``http`` its client."""

    def __init__(self, database: Database, sender: Sender, http: GuardedClient, inbox: Inbox) -> None:
        self._database = database
        self._sender = sender
        self._http = http
        self._inbox = inbox
        self._lanes = Lanes()
        self._threads = Threads()
        self._looking = Periodic("webhooks", LOOK_S, self.look)

    def start(self) -> None:
        self._looking.start()

    def stop(self) -> None:
        """Take no more messages, and give back those that cannot be delivered within ``GRACE_S`` seconds."""
        self._looking.stop()
        if not self._lanes.wait_empty(GRACE_S):
            self._inbox.stop()
            self._lanes.wait_empty(GRACE_S)
        self._http.close()

    def look(self) -> None:
        """Begin to send what is due, as far as there is room."""
        try:
            with self._database.read() as session:
                due = deliveries.find_due_lanes(session)
            # With more lanes than senders, each has its turn some time.
            random.shuffle(due)
            for lane in due:
                self._fill(lane)
        except StorageUnavailable as error:
            logger.warning("Webhooks wait for the database: %s", error)

    def _fill(self, lane: str) -> None:
        room = self._lanes.room(lane)
        if not room:
            return
        for delivery in self._database.transact(lambda session: deliveries.claim_due(session, lane, room, LEASE_S)):
            self._lanes.enter(lane)
            self._threads.submit(partial(self._deliver, delivery))

    def _deliver(self, delivery: Delivery) -> None:
        is_well = False
        try:
            is_well = self._attempt(delivery)
        except RunStopped:
            self._give_back(delivery)
        except StorageUnavailable as error:
            logger.warning("Webhook delivery %s is left to its lease: %s", delivery.id, error)
        finally:
            self._lanes.leave(delivery.lane, is_well=is_well)
            self._looking.wake()

    def _attempt(self, delivery: Delivery) -> bool:
        """Send a message once and note what came of it; answers whether the receiver took it."""
        try:
            attempt = self._sender.send(delivery)
        except StorageUnavailable:
            raise
        except Exception as error:  # A message that nobody can make must be given up some day like any other.
            logger.exception("Webhook delivery %s failed in a way that nobody foresaw.", delivery.id)
            attempt = Attempt(None, f"The message could not be sent ({type(error).__name__}).")
        self._database.transact(lambda session: note(session, delivery, attempt))
        return attempt.error is None

    def _give_back(self, delivery: Delivery) -> None:
        try:
            self._database.transact(lambda session: deliveries.give_back(session, delivery))
        except StorageUnavailable as error:
            logger.warning("Webhook delivery %s is left to its lease: %s", delivery.id, error)


def note(session: Session, delivery: Delivery, attempt: Attempt) -> None:
    if attempt.error is None:
        deliveries.note_delivered(session, delivery, attempt)
    elif attempt.is_gone:
        deliveries.note_gone(session, delivery, attempt)
    else:
        deliveries.note_failure(session, delivery, attempt, retry_s(delivery.failures + 1, attempt.retry_after_s))


def open_webhooks(config: Config, database: Database, file_url_of: Callable[[str], FileURL]) -> WebhookDispatcher:
    """A dispatcher with a client of its own. ``file_url_of`` signs files of an app, by its id. Raises ``ConfigError``."""
    http, inbox = GuardedClient(config.outbound_allow, total_s=ATTEMPT_S), Inbox()
    sender = Sender(database, http, lambda: Sealing.find(config), file_url_of, inbox)
    return WebhookDispatcher(database, sender, http, inbox)
