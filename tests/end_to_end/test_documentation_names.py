"""What the pages name is there: commands and options, links, files, modules; and what there is, they name."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from loader.cli.main import app
from loader.config.load import load_config
from loader.errors import ConfigError

from .jobs import REPOSITORY, kafka_loader
from .pages import WHOLE, WITHIN, Page, Snippet, read_pages
from .run_elsewhere import OPTIONS_OF_OTHERS

PAGES = {page.name: page for page in read_pages(REPOSITORY)}


def command_tree(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its words behind kafka-loader."""
    for name, each in getattr(command, "commands", {}).items():
        words = (*path, name)
        yield " ".join(words), each
        yield from command_tree(each, words)


COMMANDS = dict(command_tree(typer.main.get_command(app)))


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("command", [name for name in COMMANDS if not name.endswith(" list")])
def test_every_command_is_in_the_pages(command: str) -> None:
    everything = "\n".join(page.text for page in PAGES.values() if page.name != "ARCHITECTURE.md")

    assert re.search(rf"(kafka-loader |`){command}\b", everything)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained_by_the_help_of_its_command(command: str) -> None:
    shown = kafka_loader(*command.split(), "--help").output

    for parameter in COMMANDS[command].params:
        names = [name for name in parameter.opts if name.startswith("--")]
        assert all(name in shown for name in names)
        assert not names or getattr(parameter, "help", None), names


def test_every_command_takes_json_as_the_readme_says() -> None:
    assert "Every command takes `--json`" in PAGES["README.md"].text

    without = {name for name, each in COMMANDS.items() if "--json" not in options_of(each)}
    assert without == {name for name, each in COMMANDS.items() if hasattr(each, "commands")}


def test_extras_that_the_pages_install_are_extras_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = [
        extra
        for page in PAGES.values()
        for found in re.findall(rf"'(?:\.|{project['name']})\[([a-z,]+)\]'", page.text)
        for extra in found.split(",")
    ]

    assert {*named} - {*project["optional-dependencies"]} == set()
    assert "query" in named


def mentions() -> Iterator[Snippet]:
    """What pages say of commands and do not give to type: `kafka-loader verify`, `run --json`, comments."""
    for page in PAGES.values():
        for each in page.spans():
            for part in each.text.split(" | "):
                words = re.sub(r"^\S*/kafka-loader ", "kafka-loader ", part).split()
                if words[0] in {"kafka-loader", *COMMANDS} and len(words) > 1:
                    yield Snippet(each.page, each.line, "", " ".join(words).removeprefix("kafka-loader "))
        for block in page.blocks():
            for number, line in enumerate(block.text.splitlines(), block.line):
                command, _, comment = line.partition(" # ")
                options = re.findall(r"--[a-z][a-z-]*", comment)
                within = WITHIN.search(line)
                if not block.language and within and not WHOLE.search(line):
                    yield Snippet(block.page, number, "", within[1].removeprefix("kafka-loader "))
                if command.startswith("kafka-loader ") and options:
                    words = [*command.split()[1:3], *options]
                    yield Snippet(block.page, number, "", " ".join(words))


@pytest.mark.parametrize("mention", [*mentions()], ids=str)
def test_a_command_that_a_page_speaks_of_exists_with_its_options(mention: Snippet) -> None:
    name, *rest = mention.text.split()
    if rest and f"{name} {rest[0]}" in COMMANDS:
        name = f"{name} {rest.pop(0)}"

    assert name in COMMANDS
    assert {word for word in rest if word.startswith("--")} <= options_of(COMMANDS[name])


def test_an_option_that_a_page_speaks_of_is_one_of_a_command() -> None:
    ours = {"--help", "--version"}.union(*map(options_of, COMMANDS.values()))
    spoken = {
        re.split(r"[ =]", each.text)[0]: each
        for page in PAGES.values()
        for each in page.spans()
        if re.match(r"--[a-z]", each.text)
    }

    unknown = {name for name in spoken if name not in ours}
    assert unknown == set(OPTIONS_OF_OTHERS), [str(spoken[name]) for name in unknown]


@pytest.mark.parametrize("name", [*PAGES, "CHANGELOG.md"])
def test_links_and_images_lead_to_what_is_there(name: str) -> None:
    page = PAGES.get(name) or Page(REPOSITORY, REPOSITORY / name)

    for link in page.links():
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), f"{name}: {link}"
        assert not anchor or anchor in Page(REPOSITORY, target).anchors(), f"{name}: {link}"


PLACE = re.compile(r"(?:conf|docs|jobs|loader|scripts|tests)/[\w./@-]*")
MODULE = re.compile(r"(?<![\w./])\w+/[\w/]+\.py\b")


@pytest.mark.parametrize("name", PAGES)
def test_files_and_modules_that_a_page_names_are_there(name: str) -> None:
    named = {each.text for each in PAGES[name].spans() if PLACE.fullmatch(each.text)}
    modules = set(MODULE.findall(PAGES[name].text)) if name == "ARCHITECTURE.md" else set()

    assert {path for path in named if not (REPOSITORY / path).exists()} == set()
    assert {
        path
        for path in modules
        if not any((root / path).exists() for root in (REPOSITORY, REPOSITORY / "loader"))
    } == set()


def test_the_architecture_has_every_room() -> None:
    table = re.findall(r"^\| `([\w.]+)/?`", PAGES["ARCHITECTURE.md"].text, re.MULTILINE)

    loader = REPOSITORY / "loader"
    rooms = {
        path.name for path in loader.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(table) >= rooms - {"__init__.py"}


KEY = re.compile(r"[a-z_]+ = [^…]+")
JSON_COLUMNS = 'format = "json", columns = { hour = "long", ordered_at = "timestamp" }'
AROUND = {
    "a topic": f'[[topics]]\nname = "orders"\nvalue = {{ {JSON_COLUMNS} }}\n{{key}}',
    "a value": f'[[topics]]\nname = "orders"\nvalue = {{ {JSON_COLUMNS}, {{key}} }}',
    "writing": '[[topics]]\nname = "orders"\n[write]\n{key}',
    "a format": '[[topics]]\nname = "orders"\nvalue = { {key} }',
}
"""What a job file has around a key that text speaks of."""


@pytest.mark.parametrize(
    "key", [each for page in PAGES.values() for each in page.spans() if KEY.fullmatch(each.text)], ids=str
)
def test_a_key_that_a_page_speaks_of_is_one_of_a_job_file(key: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "orders.toml"

    def problems(around: str) -> list[str]:
        whole = [
            '[job]\nname = "orders"\ndestination = "file:///data/kafka"',
            '[kafka]\nbootstrap_servers = ["127.0.0.1:9092"]',
            '[registry]\nurl = "http://127.0.0.1:8081"',
            AROUND[around].replace("{key}", key.text),
        ]
        path.write_text("\n".join(whole))
        try:
            load_config(path)
        except ConfigError as error:
            return [str(error)]
        return []

    told = {around: problems(around) for around in AROUND}
    assert [] in told.values(), told
