"""Whose items begin next: in turn between apps, then between the batches of an app. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Candidate:
    """A batch whose items could begin."""

    batch_id: str
    app_id: str
    #: Higher ones of an app go first.
    priority: int
    #: Items that it can begin now: those that wait, and as far as its own limit goes.
    room: int
    #: Runs that it has open.
    open_runs: int


@dataclass(slots=True)
class Turns:
    """Remembers who was served last, so that nobody waits for ever where there is little room."""

    #: When it was last served, by app and by batch, counted in runs.
    served: dict[str, int] = field(default_factory=dict)
    _clock: int = 0

    def share(self, candidates: Sequence[Candidate], window: int) -> dict[str, int]:
        """How many items of each batch begin, ``window`` in all at most.

        Each goes to the app that has the fewest runs of batches open then, of those to the one that was served the longest ago: apps
        end up with as many each, whatever their batches hold. Within an app the batches of the highest priority share alike.
        """
        open_of_app = Counter[str]()
        for candidate in candidates:
            open_of_app[candidate.app_id] += candidate.open_runs
        rooms, taken = {candidate.batch_id: candidate.room for candidate in candidates}, Counter[str]()
        of_app = grouped(candidates)
        for _ in range(window):
            eager = [app_id for app_id, own in of_app.items() if any(rooms[one.batch_id] > 0 for one in own)]
            if not eager:
                break
            app_id = min(eager, key=lambda app_id: (open_of_app[app_id], self.served.get(app_id, 0)))
            chosen = self._choose(of_app[app_id], rooms, taken)
            rooms[chosen.batch_id] -= 1
            taken[chosen.batch_id] += 1
            open_of_app[app_id] += 1
            self._note(app_id, chosen.batch_id)
        return dict(taken)

    def _choose(self, own: Sequence[Candidate], rooms: Mapping[str, int], taken: Counter[str]) -> Candidate:
        able = [one for one in own if rooms[one.batch_id] > 0]
        return min(able, key=lambda one: (-one.priority, one.open_runs + taken[one.batch_id], self.served.get(one.batch_id, 0)))

    def _note(self, *names: str) -> None:
        self._clock += 1
        self.served.update(dict.fromkeys(names, self._clock))

    def forget(self, names: Iterable[str]) -> None:
        """Keep only what is known of these apps and batches."""
        kept = set(names)
        self.served = {name: at for name, at in self.served.items() if name in kept}


def grouped(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """By app."""
    found: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(candidate.app_id, []).append(candidate)
    return found
