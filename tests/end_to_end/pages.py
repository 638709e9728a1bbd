"""What the documentation gives to type and names: blocks, commands and links of its pages."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
WITHIN = re.compile(r"(?:^|[\s:])(kafka-loader [a-z].*)$")
"""A command in a block that is no script: a line of cron, or something that a command printed."""

WHOLE = re.compile(r"\.toml\b|--bootstrap-servers|-b ")
"""What a command names that can be typed: without it, text speaks of a command."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of code of a page, as it stands there: a block with its language, or what is within a line.

    before  the page's text up to it
    """

    page: str
    line: int
    language: str
    text: str
    before: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


class Page:
    """A page of Markdown."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        self.name = str(path.relative_to(root))
        self.text = path.read_text(encoding="utf-8")
        self._prose = FENCE.sub(lambda found: "\n" * found[0].count("\n"), self.text)

    def blocks(self) -> list[Snippet]:
        """The fenced blocks, in their order."""
        return [
            Snippet(self.name, self._line(found.start(2)), found[1], found[2], self.text[: found.start()])
            for found in FENCE.finditer(self.text)
        ]

    def spans(self) -> list[Snippet]:
        """Code within lines, in its order; where it goes on in the next line, a space stands between."""
        return [
            Snippet(self.name, self._prose.count("\n", 0, found.start()) + 1, "", " ".join(found[1].split()))
            for found in INLINE.finditer(self._prose)
        ]

    def typed(self) -> list[Snippet]:
        """What the blocks give to type, in its order, without comments."""
        return [each for block in self.blocks() for each in _typed(block)]

    def links(self) -> list[str]:
        """Targets of links and images that lead to this repository."""
        targets = LINK.findall(self._prose)
        return [target for target in targets if "://" not in target]

    def anchors(self) -> set[str]:
        """What a link can name behind #, as GitHub makes it of headings."""
        headings = HEADING.findall(self._prose)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def _line(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1


def read_pages(root: Path) -> list[Page]:
    """The pages of this repository, those that are read first at the beginning."""
    first = [root / "README.md", root / "ARCHITECTURE.md", root / "tests" / "README.md"]
    return [Page(root, path) for path in (*first, *sorted((root / "docs").glob("*.md")))]


def _typed(block: Snippet) -> Iterator[Snippet]:
    waiting: list[str] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if block.language == "bash":
            waiting.append(line)
            text = "\n".join(waiting)
            if not _is_whole(text):
                continue
            first_line, waiting = number - len(waiting) + 1, []
            text = re.sub(r"(^|\s+)# .*$", "", text)
            if text.strip():
                yield Snippet(block.page, first_line, "bash", text.strip())
        elif not block.language and (found := WITHIN.search(line)) and WHOLE.search(found[1]):
            yield Snippet(block.page, number, "bash", re.sub(r"\s+# .*$", "", found[1]))


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:  # a quotation that goes on in the next line
        return False
    return not text.endswith("\\")
