"""A real browser without a window: pages from files, looked at as people and scripts do.

    python -m local_services.browser     whether there is one that starts

It speaks the DevTools protocol over a pipe, so no port is opened; it finds the address of no host: what a
page asks of a network is refused, and told.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from time import monotonic
from types import TracebackType
from typing import Any

from local_services.errors import ServiceError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DEADLINE_S = 60


def find_browser() -> str:
    """The program. Raises ServiceError where there is none."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise ServiceError(
        "no chromium found: apt-get install chromium (Debian, Ubuntu), or put Chrome in PATH as"
        " google-chrome; scripts/test does it where it runs as root"
    )


@dataclass
class Looked:
    """A page as it is shown.

    requests  every address that was asked for, the page's own first
    problems  what the browser logged, or the page threw
    """

    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Browser:
    """Chromium, until the `with` block ends."""

    def __init__(self) -> None:
        self._program = find_browser()
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self._session = ""

    def __enter__(self) -> "Browser":
        self._folder = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        self._process = subprocess.Popen(
            [
                # It reads commands from 3 and answers on 4. Not sh, which may know files of one digit only.
                *("bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", self._program),
                *("--headless", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars"),
                *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
                *("--disable-dev-shm-usage", f"--user-data-dir={self._folder.name}"),
                "--host-resolver-rules=MAP * ~NOTFOUND",
                *(["--no-sandbox"] if os.getuid() == 0 else []),  # it refuses root otherwise
                "about:blank",
            ],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        try:
            target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
            attached = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self._ask(f"{domain}.enable")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()

    def look(self, page: Path, width: int, height: int, *, dark: bool) -> Looked:
        """Open a page from its file, in a window of that size, in CSS px."""
        mobile = width < 500
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self._ask("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._events.clear()
        self._ask("Page.navigate", {"url": page.resolve().as_uri()})
        looked = Looked()
        loaded = False
        while not loaded:
            for event in self._taken():
                loaded = loaded or event["method"] == "Page.loadEventFired"
                _note(event, looked)
            if not loaded:
                self._events.append(self._receive(monotonic() + DEADLINE_S))
        self.evaluate("document.fonts.ready.then(() => 0)")
        for event in self._taken():
            _note(event, looked)
        return looked

    def evaluate(self, expression: str) -> Any:
        """The value of an expression on the page that is shown. Raises ServiceError where it throws."""
        answer = self._ask(
            "Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True}
        )
        if "exceptionDetails" in answer:
            raise ServiceError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def picture(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", {"format": "png"})["data"])

    def _taken(self) -> list[dict[str, Any]]:
        events, self._events = self._events, []
        return events

    def _ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> Any:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise ServiceError(f"{self._program} ended with status {self._process.wait()}") from None
        give_up_s = monotonic() + DEADLINE_S
        while True:
            answer = self._receive(give_up_s)
            if answer.get("id") != number:
                self._events.append(answer)
            elif "error" in answer:
                raise ServiceError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def _receive(self, give_up_s: float) -> dict[str, Any]:
        """The next message. Raises ServiceError when the browser ends or does not answer."""
        while b"\0" not in self._buffer:
            if not select([self._from], [], [], max(give_up_s - monotonic(), 0))[0]:
                raise ServiceError(f"{self._program} did not answer within {DEADLINE_S} s")
            octets = os.read(self._from, 1 << 20)
            if not octets:
                raise ServiceError(f"{self._program} ended with status {self._process.wait()}")
            self._buffer += octets
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded


def _note(event: Mapping[str, Any], looked: Looked) -> None:
    told = event.get("params", {})
    match event["method"]:
        case "Network.requestWillBeSent":
            looked.requests.append(told["request"]["url"])
        case "Runtime.exceptionThrown":
            looked.problems.append(str(told["exceptionDetails"]))
        case "Runtime.consoleAPICalled":
            looked.problems.append(f"{told['type']}: {told['args']}")
        case "Log.entryAdded":
            looked.problems.append(f"{told['entry']['level']}: {told['entry']['text']}")


def main() -> int:
    """Start a browser and end it; 1 where that cannot be done."""
    try:
        with Browser() as browser:
            browser.evaluate("1 + 1")
    except (ServiceError, OSError) as error:
        print(f"browser: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
