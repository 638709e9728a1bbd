"""`kafka-loader report`: a page about a job, in one file that needs no network."""

import errno
import re
import secrets
import sys
from pathlib import Path

from loader.cli import process, text
from loader.cli.report_document import report_document
from loader.errors import ConfigError, StorageFull
from loader.operations.watch.report import JobReport, NewestCommits, NewestTime, Stretch, make_report

STANDARD_OUTPUT = Path("-")

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_LAST = re.compile(r"([1-9]\d{0,8})([mhdw]?)")


def report(config: Path, output: Path, last: str, as_json: bool) -> int:
    """Make the page, or print what it tells; return the exit status."""
    stretch = read_stretch(last)
    if as_json:
        text.print_json(
            report_document(make_report(process.read_job(config), stretch, process.now_ms), config)
        )
        return 0
    try:
        from loader.cli.page.page import page_of
    except ImportError as error:
        raise ConfigError(
            [
                f"report needs the package {error.name}: pip install 'kafka-hadoop-loader[report]';"
                " --json does without"
            ]
        ) from error
    if output != STANDARD_OUTPUT:
        _require_place(output)
    job = process.read_job(config)
    found = make_report(job, stretch, process.now_ms)
    page = page_of(found, config)
    if output == STANDARD_OUTPUT:
        sys.stdout.write(page)
        return 0
    _write(output, page)
    text.say(f"{_told(found)}: {output}, {text.size(output.stat().st_size)}; open it in a browser")
    if found.outlook_error is not None:
        text.warn("note: the brokers did not say what waits; the page tells why")
    return 0


def read_stretch(last: str) -> Stretch:
    """What `--last` spells: 500 commits, or 24h, 7d. Raises ConfigError."""
    match = _LAST.fullmatch(last)
    if match is None:
        raise ConfigError(
            [f"--last {last}: needs a number of commits, like 500, or a time, like 90m, 24h, 7d, 4w"]
        )
    number, unit = int(match[1]), match[2]
    return NewestTime(number * UNITS_MS[unit]) if unit else NewestCommits(number)


def _told(found: JobReport) -> str:
    if not found.ledger:
        return f"job {found.job} has not run yet; a page that says so"
    if not found.covered:
        return f"job {found.job} has made no commit of this time; a page that says so"
    first, last = found.covered[0], found.covered[-1]
    if first == last:
        return f"page about commit {text.count(first)} of job {found.job}"
    return f"page about commits {text.count(first)} to {text.count(last)} of job {found.job}"


def _require_place(output: Path) -> None:
    """Refuse what cannot be written before the ledger is read."""
    if output.is_dir():
        raise ConfigError(
            [f"--output {output}: is a folder; name a file in it, like {output / 'report.html'}"]
        )
    if not output.parent.is_dir():
        raise ConfigError([f"--output {output}: there is no folder {output.parent}"])


def _write(output: Path, page: str) -> None:
    """Write the page whole or not at all, in the place of an older one; readable by all, as a page is."""
    target = output.resolve()  # a link to a page stays a link
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
    try:
        try:
            draft.write_text(page, encoding="utf-8", errors="replace")  # a name may hold half a surrogate
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        problem = f"--output {output}: cannot be written: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"{problem}. The file is as it was. Make room, then run again.") from error
        raise ConfigError([problem]) from error
