"""Steps that work at the same time: each makes its next items while the one behind it uses this one."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _End:
    pass


class _Ahead(Generic[Item]):
    def __init__(self, name: str, items: Iterable[Item], room: int, size_of: Callable[[Item], int]) -> None:
        self._items = items
        self._room = room
        self._size_of = size_of
        self._waiting: deque[tuple[Item | _Failure | _End, int]] = deque()
        self._waiting_size = 0
        self._changed = threading.Condition()
        self._is_unwanted = False
        self._thread = threading.Thread(target=self._fill, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._is_unwanted = True
            self._changed.notify()
        self._thread.join()

    def take(self) -> Iterator[Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                entry, size = self._waiting.popleft()
                self._waiting_size -= size
                self._changed.notify()
            if isinstance(entry, _Failure):
                raise entry.error
            if isinstance(entry, _End):
                return
            yield entry
            del entry  # before the next is waited for: it may be large

    def _fill(self) -> None:
        last: _Failure | _End = _End()
        try:
            for item in self._items:
                if not self._put(item, self._size_of(item)):
                    return
        except BaseException as error:  # whatever it is belongs to the thread that asked for the items
            last = _Failure(error)
        self._put(last, 0)

    def _put(self, entry: Item | _Failure | _End, size: int) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_unwanted or not self._waiting or self._waiting_size + size <= self._room
            )
            if not self._is_unwanted:
                self._waiting.append((entry, size))
                self._waiting_size += size
                self._changed.notify()
            return not self._is_unwanted


@contextmanager
def step(
    name: str, items: Iterable[Item], room: int = 1, size_of: Callable[[Item], int] = lambda _: 1
) -> Iterator[Iterator[Item]]:
    """Iterate over `items` in a thread of its own, ahead of the body of the `with`.

    Besides the item in use and the one in the making, as many wait as have room together, and one always.
    An error of the iteration is raised where the item would have come. On return the thread has ended.

    name     of the thread, for a debugger and a profile
    room     how much may wait, in the measure of `size_of`, which counts items by default
    """
    ahead = _Ahead(name, items, room, size_of)
    ahead.start()
    try:
        yield ahead.take()
    finally:
        ahead.stop()
