"""What the processes of one run tell each other and the test: files in a folder."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from .producing import wait_until


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes by name. Each is written once, and whole from the moment it is there."""

    folder: Path

    def put(self, name: str, content: object = "") -> bool:
        """Write a note; False when somebody has written it before."""
        draft = self.folder / f".{secrets.token_hex(6)}"
        draft.write_text(str(content))
        try:
            os.link(draft, self.folder / name)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def wait_for(self, name: str) -> str:
        """The content of a note, once it is there."""
        wait_until(lambda: self.has(name), f"the note {name}", deadline_s=120)
        return self.read(name)

    def names(self, prefix: str) -> list[str]:
        """The notes whose names begin so, sorted."""
        return sorted(path.name for path in self.folder.glob(f"{prefix}*"))
