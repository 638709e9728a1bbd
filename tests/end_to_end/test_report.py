"""The page of `report`: what it tells is what happened, in a real browser, at a desk and on a phone."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from loader.errors import BrokerUnavailable, OffsetsExpired
from loader.values import OffsetRange
from local_services.browser import Browser
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .jobs import REPOSITORY, Ended, kafka_loader, write_config
from .made_ledgers import FIRST_MS, HOUR_MS, made_commits, write_ledger
from .producing import T0_MS, Message, messages, produce

HOSTILE_TOPIC = """</title><script>document.title = "ran"</script>&"'x"""
HOSTILE_REASON = (
    """</style><img src="http://evil.example/x" onerror="document.title = 'ran'"> broken\x1b batch"""
)
HOSTILE_HOST = "<svg onload=\"document.title = 'ran'\">"
TOPICS = [HOSTILE_TOPIC, "orders", "payments"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


class Written(NamedTuple):
    """A job whose brokers are down, with a ledger that was written without them, and its page."""

    config: Path
    page: Path
    ended: Ended


def write_page(folder: Path, *options: str) -> Written:
    """Beside the ledger of a job called made."""
    (port,) = choose_ports(1)
    config, page = folder / "made.toml", folder / "page.html"
    kafka = {"bootstrap_servers": [f"127.0.0.1:{port}"], "request_timeout_ms": 1500}
    destination = (folder / "destination").as_uri()
    write_config(config, {"name": "made", "destination": destination}, ({"pattern": ".*"},), {"kafka": kafka})
    return Written(config, page, kafka_loader("report", str(config), "--output", str(page), *options))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Its names, reasons and hosts try to become part of the page."""
    folder = tmp_path_factory.mktemp("hostile")
    commits = made_commits(30, TOPICS, reason=HOSTILE_REASON, host=HOSTILE_HOST)
    write_ledger(folder / "destination", "made", commits)
    return write_page(folder)


def text_of(browser: Browser, selector: str) -> Any:
    """The visible text of each element."""
    return browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(each => each.innerText)")


def rows_of(browser: Browser, section: str) -> Any:
    """Of the first table of a section, the cells of each row."""
    return browser.evaluate(
        f"[...document.querySelector('#{section} table').tBodies[0].rows]"
        ".map(row => [...row.cells].map(cell => cell.innerText))"
    )


def look(browser: Browser, page: Path) -> None:
    """At a desk; nothing may be wrong, and nothing but the page itself may be asked for."""
    looked = browser.look(page, 1280, 900, dark=False)
    assert (looked.problems, looked.requests) == ([], [page.resolve().as_uri()])


SHOWN_MARKS = """[...document.querySelectorAll("figure")].map(figure =>
    [...figure.querySelectorAll("path")].filter(path => path.querySelector("title") &&
        path.getBoundingClientRect().width > 0 && path.getBoundingClientRect().right <= innerWidth).length)"""

TOO_SMALL = """[...document.querySelectorAll("svg text")].map(text => text.getBoundingClientRect().height)
    .filter(height => height > 0 && height < 8).length"""

FIRST_BAR = "getComputedStyle(document.querySelector('#volume .chart path:has(title)')).fill"


@pytest.mark.parametrize(("width", "height"), [(360, 800), (1280, 900)])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_is_whole_and_readable_without_network(
    width: int, height: int, dark: bool, hostile: Written, browser: Browser
) -> None:
    looked = browser.look(hostile.page, width, height, dark=dark)

    assert looked.problems == []
    assert looked.requests == [hostile.page.as_uri()]
    assert (
        browser.evaluate("document.scrollingElement.scrollWidth") == browser.evaluate("innerWidth") == width
    )
    # 29 commits that loaded, in cells of an hour: rows, bytes, 3 topics waiting; runs; 3 topics by hour; bad.
    assert browser.evaluate(SHOWN_MARKS) == [29, 29, 3 * 29, 29, 3 * 29, 29]
    assert browser.evaluate(TOO_SMALL) == 0
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background, browser.evaluate(FIRST_BAR)) == (
        ("rgb(16, 18, 22)", "rgb(91, 157, 240)") if dark else ("rgb(243, 244, 246)", "rgb(42, 120, 214)")
    )


def test_names_reasons_and_hosts_are_shown_as_text_and_never_become_part_of_the_page(
    hostile: Written, browser: Browser
) -> None:
    look(browser, hostile.page)

    assert browser.evaluate("document.title") == "made: kafka-loader report"
    assert (
        browser.evaluate("document.querySelectorAll('script, img, iframe, link, object, [onload]').length")
        == 0
    )
    assert browser.evaluate("document.querySelectorAll('style').length") == 1
    assert text_of(browser, "#lag .legend li")[:3] == [HOSTILE_TOPIC, "orders", "payments"]
    assert HOSTILE_REASON.replace("\x1b", "\\x1b") in [row[-1] for row in rows_of(browser, "commits")]
    assert {row[5] for row in rows_of(browser, "splits")} == {HOSTILE_HOST}
    titles = browser.evaluate("[...document.querySelectorAll('#topics title')].map(each => each.textContent)")
    assert f"{HOSTILE_TOPIC}, 2026-11-22 01:00Z: 300 rows" in titles


def test_a_page_tells_first_what_is_wrong_then_the_numbers(hostile: Written, browser: Browser) -> None:
    look(browser, hostile.page)

    problems = text_of(browser, ".problems > ul > li")
    assert [problem.split("\n")[0] for problem in problems] == ["Act", "Look", "Look"]
    assert "Lost: 1 offset, deleted from Kafka" in problems[0]
    assert "What waits in Kafka is not known: " in problems[1]
    assert "Skipped: 50 offsets, when a person moved the position" in problems[2]
    assert "no answer from 127.0.0.1:" in problems[1]
    # 29 commits of 300, 180 and 80 rows; the last one lost an offset.
    row_count = 29 * (300 + 180 + 80) - 1
    assert {
        anchor: text_of(browser, f"#{anchor} .headline")[0]
        for anchor in ("volume", "lag", "duration", "topics", "quarantine", "losses", "splits", "commits")
    } == {
        "volume": f"{row_count:,} rows",
        "lag": "not known",
        "duration": "10 s median",
        "topics": f"{row_count:,} rows",
        "quarantine": "580 records",
        "losses": "1 lost offset",
        "splits": "1.0 s",
        "commits": "commit 30",
    }
    assert rows_of(browser, "losses")[0][:3] == [f"{HOSTILE_TOPIC}-0[8450, 8451)", "1", "30"]
    assert [row[0] for row in rows_of(browser, "commits")] == [str(number) for number in range(30, 10, -1)]


def test_brokers_that_are_down_do_not_keep_a_page_from_being_made(hostile: Written) -> None:
    assert hostile.ended.status == 0
    assert hostile.ended.output.startswith(f"page about commits 1 to 30 of job made: {hostile.page}, ")
    assert hostile.ended.errors == "note: the brokers did not say what waits; the page tells why\n"


def test_many_commits_of_many_topics_make_a_page_of_bounded_size(tmp_path: Path, browser: Browser) -> None:
    topics = [f"shop.orders.v{number:03d}.events" for number in range(20)]  # more than are shown
    write_ledger(tmp_path / "destination", "made", made_commits(210, topics, step_ms=7 * 3_600_000))

    written = write_page(tmp_path)

    assert written.ended.status == 0
    assert written.page.stat().st_size < 1_000_000
    look(browser, written.page)
    assert max(browser.evaluate(SHOWN_MARKS)) <= 15 * 48
    assert text_of(browser, "#duration figcaption") == ["Seconds of the longest and the median run per day"]
    assert text_of(browser, "#lag .legend li") == [
        *topics[:5],
        "15 other topics",
        "grey area: left after the run, all topics",
    ]
    shown = browser.evaluate("document.querySelectorAll('#topics details tbody tr').length")
    assert shown == 15
    labels = browser.evaluate(
        "[...document.querySelectorAll('#topics .narrow text')].map(e => e.textContent)"
    )
    assert {"….v000.events", "6 others"} <= {*labels}


def test_a_page_tells_what_real_runs_did_and_what_waits(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    browser: Browser,
    tmp_path: Path,
) -> None:
    topic = new_topic()
    job = new_job(
        {"name": topic, "value": {"format": "json", "columns": {"n": "long"}}, "max_bad_records": 1}
    )
    produce(kafka, topic, [*json_messages(10), Message(b"{", timestamp_ms=T0_MS)])
    job.run()
    produce(kafka, topic, json_messages(5))
    job.run()
    produce(kafka, topic, messages(3))
    page = tmp_path / "page.html"

    ended = kafka_loader("report", str(job.config), "--output", str(page))
    document = kafka_loader("report", str(job.config), "--json").document

    assert (ended.status, ended.errors) == (0, "")
    look(browser, page)
    tiles = dict(zip(text_of(browser, ".tiles .name"), text_of(browser, ".tiles .value"), strict=True))
    assert {name: tiles[name] for name in ("Position", "Loaded", "Lag", "Quarantine", "Lost")} == {
        "Position": "commit 2",
        "Loaded": "15 rows",
        "Lag": "3 offsets",
        "Quarantine": "1 record",
        "Lost": "0 lost offsets",
    }
    assert rows_of(browser, "lag")[0][:3] == [topic, "1", "3"]
    assert rows_of(browser, "quarantine")[0][:4] == [
        topic,
        "json",
        document["quarantine"][0]["error_class"],
        "1",
    ]
    splits = document["activity"]["slowest_splits"]
    assert {(each["version"], each["ranges"][0]["start_offset"], each["row_count"]) for each in splits} == {
        (1, 0, 10),
        (2, 11, 5),
    }
    assert [each["host"] for each in splits] == [os.uname().nodename] * 2
    assert len(rows_of(browser, "splits")) == 2
    assert document["activity"]["record_times"] == [{"start_ms": T0_MS, "topic": topic, "row_count": 15}]
    assert [each["row_count"] for each in document["activity"]["commits"]] == [5, 10]
    assert {each["offset_count"] for each in document["activity"]["waiting"]} <= {11, 5}
    assert [each["lag_offsets"] for each in document["lag"]["partitions"]] == [3]
    assert (document["first_version"], document["last_version"]) == (1, 2)


def json_messages(count: int) -> list[Message]:
    return [Message(b'{"n": %d}' % number, timestamp_ms=T0_MS) for number in range(count)]


def test_a_job_that_has_not_run_has_a_page_that_says_so(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    browser: Browser,
    tmp_path: Path,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(7))
    job = new_job(topic)
    page = tmp_path / "page.html"

    ended = kafka_loader("report", str(job.config), "--output", str(page))

    assert (ended.status, ended.errors) == (0, "")
    assert ended.output.startswith("job job has not run yet; a page that says so: ")
    look(browser, page)
    assert text_of(browser, "h1, h2") == ["job", "Nothing loaded yet", "Lag"]
    assert f"has not run yet. Its first run: kafka-loader run {job.config}" in text_of(browser, ".about")[0]
    assert text_of(browser, ".headline") == ["7 offsets"]
    assert job.folder.paths() == []


@pytest.fixture
def made(hostile: Written, monkeypatch: pytest.MonkeyPatch) -> Written:
    """The same job; its brokers are found to be down at once."""

    def find(*_: object) -> None:
        raise BrokerUnavailable("no answer")

    monkeypatch.setattr("loader.operations.watch.report.look_ahead", find)
    return hostile


def test_last_takes_so_many_commits_or_those_of_a_time(
    made: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest_ms = FIRST_MS + 30 * HOUR_MS
    monkeypatch.setattr("loader.cli.process.now_ms", lambda: newest_ms + 60_000)

    def covered(last: str) -> tuple[int | None, int | None, int]:
        document = kafka_loader("report", str(made.config), "--json", "--last", last).document
        return document["first_version"], document["last_version"], document["earlier_commit_count"]

    assert covered("2") == (29, 30, 28)
    assert covered("500") == (1, 30, 0)
    assert covered("90m") == (29, 30, 28)
    assert covered("1d") == (7, 30, 6)
    monkeypatch.setattr("loader.cli.process.now_ms", lambda: newest_ms + 10 * 60_000)
    assert covered("9m") == (None, None, 30)


def test_what_a_person_must_decide_is_told_with_its_commands(
    made: Written, monkeypatch: pytest.MonkeyPatch, browser: Browser, tmp_path: Path
) -> None:
    expired = OffsetsExpired(OffsetRange("orders", 0, 10, 30), 20)

    def find(*_: object) -> None:
        raise expired

    monkeypatch.setattr("loader.operations.watch.report.look_ahead", find)
    page = tmp_path / "page.html"

    ended = kafka_loader("report", str(made.config), "--output", str(page))

    assert ended.status == 0
    look(browser, page)
    assert text_of(browser, ".problems > ul > li:first-child span") == [
        f"What waits in Kafka is not known: {expired.args[0]}"
    ]
    assert text_of(browser, ".problems > ul > li:first-child code") == [
        choice.command.replace("CONFIG", str(made.config)) for choice in expired.choices
    ]


@pytest.mark.parametrize("last", ["0", "-1", "many", "3y", "1.5h", ""])
def test_a_last_that_says_nothing_ends_with_2(last: str, made: Written) -> None:
    ended = kafka_loader("report", str(made.config), "--last", last)

    assert ended.status == 2
    assert "needs a number of commits, like 500, or a time, like 90m, 24h, 7d, 4w" in ended.errors


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_page_is_written_whole_or_not_at_all(made: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.page.read_bytes()
    files = sorted(made.page.parent.iterdir())
    monkeypatch.setattr(Path, "replace", full_disk)

    ended = kafka_loader("report", str(made.config), "--output", str(made.page))

    assert ended.status == 3
    assert "No space left on device. The file is as it was." in ended.errors
    assert made.page.read_bytes() == before
    assert sorted(made.page.parent.iterdir()) == files


@pytest.mark.parametrize(
    ("name", "problem"),
    [("destination", "is a folder; name a file in it"), ("no/page.html", "there is no folder")],
)
def test_a_page_is_never_written_over_a_folder_or_into_none(name: str, problem: str, made: Written) -> None:
    output = made.page.parent / name

    ended = kafka_loader("report", str(made.config), "--output", str(output))

    assert ended.status == 2
    assert f"--output {output}: {problem}" in ended.errors
    assert output.is_dir() == (name == "destination")


def test_a_page_can_go_to_standard_output(made: Written) -> None:
    ended = kafka_loader("report", str(made.config), "--output", "-")

    assert ended.status == 0
    assert ended.output.startswith("<!DOCTYPE html>")
    assert ended.output.rstrip().endswith("</html>")


@pytest.mark.parametrize("package", ["vl_convert", "jinja2"])
def test_without_the_extra_it_says_what_to_install_and_prints_json(
    package: str, made: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.startswith("loader.cli.page")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)

    ended = kafka_loader("report", str(made.config), "--output", str(made.page))

    assert ended.status == 2
    assert f"needs the package {package}: pip install 'kafka-hadoop-loader[report]'" in ended.errors
    assert kafka_loader("report", str(made.config), "--json").status == 0


PICTURES = sorted((REPOSITORY / "docs" / "images").iterdir())


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_pictures_of_the_docs_are_small_and_name_nothing_of_a_machine(picture: Path) -> None:
    assert picture.stat().st_size < 300_000
    assert f"(images/{picture.name})" in (REPOSITORY / "docs" / "report.md").read_text()
    if picture.suffix == ".svg":
        shown = "".join(ElementTree.parse(picture).getroot().itertext())  # noqa: S314  our own
        assert "kafka-loader" in shown
        assert re.findall(r"/tmp|/home|/root|127\.0\.0\.1|localhost|file:", shown) == []
        assert "http" not in picture.read_text().replace("http://www.w3.org/2000/svg", "").replace(
            "https://www.textualize.io", ""
        )
