"""Steps that work at the same time: each makes its next item while the one behind it uses this one."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

POLL_S = 0.1
"""How soon a step's thread notices that nobody wants its items any more."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _End:
    pass


class _Ahead(Generic[Item]):
    def __init__(self, name: str, items: Iterable[Item]) -> None:
        self._items = items
        self._queue: queue.Queue[Item | _Failure | _End] = queue.Queue(maxsize=1)
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._fill, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._unwanted.set()
        self._thread.join()

    def take(self) -> Iterator[Item]:
        while True:
            entry = self._queue.get()
            if isinstance(entry, _Failure):
                raise entry.error
            if isinstance(entry, _End):
                return
            yield entry

    def _fill(self) -> None:
        last: _Failure | _End = _End()
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # whatever it is belongs to the thread that asked for the items
            last = _Failure(error)
        self._put(last)

    def _put(self, entry: Item | _Failure | _End) -> bool:
        while not self._unwanted.is_set():
            try:
                self._queue.put(entry, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False


@contextmanager
def step(name: str, items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Iterate over `items` in a thread of its own, one item ahead of the body of the `with`.

    At most two items are held besides the one in use: one waiting, one in the making. An error of the
    iteration is raised where the item would have come. On return the thread has ended.

    name  of the thread, for a debugger and a profile
    """
    ahead = _Ahead(name, items)
    ahead.start()
    try:
        yield ahead.take()
    finally:
        ahead.stop()
