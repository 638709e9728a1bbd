"""Errors as a person and a program read them: what happened, and the command of each choice there is."""

import shlex
from pathlib import Path
from typing import Any

from loader.cli.logs import EventLog, without_logins
from loader.errors import Choice, LoaderError, PersonDecides


def told(error: Exception, config: Path) -> str:
    """The message of an error with its notes, and with commands that can be pasted."""
    return naming("\n".join([str(error), *getattr(error, "__notes__", ())]), config)


def failure_document(error: Exception, config: Path) -> dict[str, Any]:
    """An error in a command's JSON."""
    choices = error.choices if isinstance(error, PersonDecides) else ()
    return {
        "kind": type(error).__name__,
        "message": without_logins(told(error, config)),
        "exit_status": error.exit_status if isinstance(error, LoaderError) else 1,
        "choices": [choice_document(choice, config) for choice in choices],
    }


def tell_failure(log: EventLog, event: str, error: Exception, about: str = "", **facts: Any) -> None:
    """An error in the log, with its choices. `about` begins the message."""
    document = failure_document(error, log.config)
    document["error"] = document.pop("kind")
    log.error(event, f"{about}{document.pop('message')}", **facts, **document)


def choice_document(choice: Choice, config: Path) -> dict[str, str]:
    """A choice in a command's JSON."""
    return {"meaning": choice.meaning, "command": naming(choice.command, config)}


def naming(text: str, config: Path) -> str:
    """A message or a command in which CONFIG stands for the job file, with that file's name."""
    return text.replace(" CONFIG", f" {shlex.quote(str(config))}")
