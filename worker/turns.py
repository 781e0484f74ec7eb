"""Work that costs little more for many than for one: what threads ask for while it is being done is done together the next time.

No thread of its own does it. Whoever comes first does it for all that wait by then; who comes meanwhile waits, or takes over.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Order = TypeVar("Order")


@dataclass(slots=True, eq=False)
class Piece(Generic[Order]):
    """What one thread asks for. Whoever does the work fills in what became of it."""

    order: Order
    result: Any = None
    error: BaseException | None = None
    is_done: bool = False
    #: It is this piece's thread that does the work.
    has_turn: bool = False
    #: Opened when the piece is done, or when the turn has come to its thread.
    gate: Any = field(default_factory=threading.Lock)


class Turns(Generic[Order]):
    """``work`` is called with up to ``most`` pieces, in the order in which they came, by one thread at a time; it must not raise."""

    def __init__(self, work: Callable[[Sequence[Piece[Order]]], None], most: int = 64) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[Piece[Order]] = deque()
        self._is_taken = False

    def get(self, order: Order, patience_s: float = -1) -> Any:
        """The result, or what went wrong is raised. Raises ``TimeoutError`` if others take longer than ``patience_s`` with theirs."""
        piece = Piece(order)
        piece.gate.acquire()
        with self._lock:
            self._waiting.append(piece)
            if not self._is_taken:
                self._pass_on()
        self._wait(piece, patience_s)
        if piece.has_turn:
            self._work_off()
        if piece.error is not None:
            raise piece.error
        return piece.result

    def _wait(self, piece: Piece[Order], patience_s: float) -> None:
        try:
            is_open = piece.gate.acquire(timeout=patience_s)
        except BaseException:
            self._leave(piece)
            raise
        if not is_open and not self._leave(piece):
            raise TimeoutError

    def _leave(self, piece: Piece[Order]) -> bool:
        """The thread waits no longer: for lack of patience, or since it is to end. True: its piece has just been done."""
        with self._lock:
            if piece in self._waiting:
                self._waiting.remove(piece)
            if piece.has_turn and not piece.is_done:
                self._pass_on()
            return piece.is_done

    def _pass_on(self) -> None:
        """To whoever has waited longest."""
        self._is_taken = bool(self._waiting)
        if self._waiting:
            self._waiting[0].has_turn = True
            self._waiting[0].gate.release()

    def _work_off(self) -> None:
        with self._lock:
            pieces = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
        try:
            self._work(pieces)
            for piece in pieces:
                piece.is_done = True
        finally:
            self._end_turn(pieces)

    def _end_turn(self, pieces: Sequence[Piece[Order]]) -> None:
        with self._lock:
            # Left undone only by a thread that is to end, whose own piece is the first.
            self._waiting.extendleft(piece for piece in reversed(pieces[1:]) if not piece.is_done)
            self._pass_on()
        for piece in pieces[1:]:
            if piece.is_done:
                piece.gate.release()
