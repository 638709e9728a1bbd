"""A deadline for calls that nothing can interrupt.

hdfs-native waits without limits of its own: a call to a NameNode that accepts and does not answer
was seen to hang for 100 s and more. So the call runs in a thread of its own, and the caller leaves.

The thread stays behind with its call, as a daemon: it holds up nothing, not even the end of the
process. What it was asked to do may still happen, and its result is thrown away.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlinePassed(Exception):
    """The call did not return in time; it may be carried out later."""


def within(limit_s: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises, or DeadlinePassed."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as failure:  # Rust panics are no Exception, and none may end a thread unseen
            failures.append(failure)

    thread = threading.Thread(target=run, name="storage call", daemon=True)
    thread.start()
    thread.join(limit_s)
    if results:
        return results[0]
    if not failures:
        raise DeadlinePassed(f"no answer within {limit_s:g} s")
    if isinstance(failures[0], Exception):
        raise failures[0]
    raise RuntimeError(f"panicked: {failures[0]}") from failures[0]
