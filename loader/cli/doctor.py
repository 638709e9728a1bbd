"""`kafka-loader doctor`: everything that a run needs, looked at one by one, and what to do about it."""

import os
import secrets
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from loader.cli import process, text
from loader.cli.engines import EngineName, open_engine
from loader.cli.failures import naming
from loader.operations.checks.check import Check, Verdict
from loader.operations.doctor import Surroundings, diagnose

SIGNS: Mapping[Verdict, str] = MappingProxyType({Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.PROBLEM: "✗"})
PLAIN_SIGNS: Mapping[Verdict, str] = MappingProxyType(
    {Verdict.OK: "ok", Verdict.WARNING: "! ", Verdict.PROBLEM: "x "}
)
"""Where the output's encoding has no such signs."""

WIDEST = 140
NARROWEST = 60


def doctor(config: Path, engine_name: EngineName, as_json: bool) -> int:
    """Look at everything, print each check as it is done, and return the exit status."""
    job = process.read_job(config)
    around = Surroundings(
        java_home=os.environ.get("JAVA_HOME") or None,
        search_path=os.environ.get("PATH", os.defpath),
        probe_id=secrets.token_hex(8),
        now_ms=process.now_ms,
    )
    checks = []
    for found in diagnose(job, open_engine(engine_name, None), around):
        check = replace(found, found=naming(found.found, config), to_do=naming(found.to_do, config))
        checks.append(check)
        if not as_json:
            _print(check)
    status = next((each for each in (1, 4, 2, 3) if any(check.exit_status == each for check in checks)), 0)
    if as_json:
        text.print_json(_document(job.name, checks, status))
    else:
        text.say(_summary(checks, config))
    return status


def _print(check: Check) -> None:
    """One check: its sign and name, what was found beside them, and below it what to do."""
    encoding = sys.stdout.encoding or "ascii"
    signs, arrow = SIGNS, "→ "
    try:
        "".join((*SIGNS.values(), arrow)).encode(encoding)
    except UnicodeEncodeError:
        signs, arrow = PLAIN_SIGNS, "-> "
    heading = f"{signs[check.verdict]} {check.name}: "
    indent = " " * (len(signs[check.verdict]) + 1)
    width = max(min(shutil.get_terminal_size().columns, WIDEST), NARROWEST) if sys.stdout.isatty() else 0
    for line in _wrapped(heading, check.found, indent, width):
        text.say(line.encode(encoding, "replace").decode(encoding))
    if check.to_do:
        for line in _wrapped(f"{indent}{arrow}", check.to_do, indent + " " * len(arrow), width):
            text.say(line.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _wrapped(first: str, said: str, rest: str, width: int) -> list[str]:
    """A text with its heading, in lines of `width` columns; whole where that is 0, since programs read it."""
    one_line = " ".join(said.split())
    if not width:
        return [first + one_line]
    return textwrap.wrap(
        one_line,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(checks: list[Check], config: Path) -> str:
    problems, warnings = (
        sum(check.verdict is verdict for check in checks) for verdict in (Verdict.PROBLEM, Verdict.WARNING)
    )
    looked_at = text.plural(len(checks), "check")
    if problems:
        also = f" and {text.plural(warnings, 'warning')}" if warnings else ""
        return f"{looked_at}: {text.plural(problems, 'problem')}{also}. Solve them, then run this again."
    also = f"{text.plural(warnings, 'warning')}, which no run fails by" if warnings else "all is well"
    return f"{looked_at}: {also}; next: kafka-loader plan {config}"


def _document(job: str, checks: list[Check], status: int) -> dict[str, Any]:
    return {"job": job, "exit_status": status, "checks": [asdict(check) for check in checks]}
