"""Reading a job file."""

import tomllib
from pathlib import Path

from loader.config.job import JobConfig
from loader.config.problems import check
from loader.errors import ConfigError


def load_config(path: Path) -> JobConfig:
    """The job that a TOML file describes. Raises ConfigError with everything that is wrong with it."""
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([f"not valid TOML: {error}"], str(path)) from None
    checked = check(document)
    if isinstance(checked, list):
        raise ConfigError(checked, str(path))
    return checked


def _read(path: Path) -> str:
    try:
        # Editors on Windows put a byte order mark first, which TOML does not know.
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        problem = "no such file"
    except IsADirectoryError:
        problem = "is a folder; name the job file in it"
    except PermissionError:
        problem = "permission denied"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = f"not UTF-8 (line {line}); save the file as UTF-8"
    except OSError as error:
        problem = error.strerror or str(error)
    raise ConfigError([problem], str(path))
