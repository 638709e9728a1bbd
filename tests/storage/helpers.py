"""Several at once, and in other processes."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run all of `calls` at the same instant, in threads; what each returned or raised."""
    start = threading.Barrier(len(calls))
    results: dict[int, T | Exception] = {}

    def run(index: int, call: Callable[[], T]) -> None:
        start.wait()
        try:
            results[index] = call()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[index] for index in range(len(calls))]


def fork(story: Callable[[], None]) -> int:
    """Run `story` in a forked child; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        story()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait_for(child: int, deadline_s: float = 30) -> None:
    """Fail where the child failed, or hangs."""
    give_up = time.monotonic() + deadline_s
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        if time.monotonic() > give_up:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"the child did not end within {deadline_s:g} s")
        time.sleep(0.01)
