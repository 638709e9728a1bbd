"""Whether a person agrees to what a command has shown, and why they want it."""

import sys
from dataclasses import dataclass

from loader.cli.logs import EventLog
from loader.errors import ConfigError, PersonDecides

NOT_AGREED = PersonDecides.exit_status


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was said on the command line.

    reason    for the history
    is_given  whether by --yes
    as_json   whether the answer is a document: then nobody is asked
    """

    reason: str
    is_given: bool
    as_json: bool
    log: EventLog

    def require_reason(self) -> None:
        """Raises ConfigError where there is none."""
        if not self.reason.strip():
            raise ConfigError(["--reason: say why, for whoever reads the history"])

    def refusal(self, question: str) -> str:
        """Why nothing may be written; "" when a person agrees."""
        if self.is_given:
            return ""
        if self.as_json or not sys.stdin.isatty():
            return "nobody was there to ask; agree with --yes"
        answer = input(f"{question} [y/N] ")
        return "" if answer.strip().lower() in ("y", "yes") else "that is what you chose"
