"""`scripts/bench`: measures, and writes the results, the plot and README's tables.

Exit status: 0 measured; 1 an output was wrong, or --quick found a ratio that fell; 2 wrong arguments;
130 Ctrl-C.
"""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmark.competitors import COMPETITORS, SCRATCH, Competitor
from benchmark.errors import BenchmarkError
from benchmark.goals import fallen, judge, quick_ratios
from benchmark.memory import measure_memory
from benchmark.places import (
    CHECKOUT,
    OUTPUT_FOLDER,
    PLOT_FILE,
    RESULTS_FILE,
    STATE_FOLDER,
    TABLES_FILE,
    open_hdfs,
    open_kafka,
)
from benchmark.plot import draw
from benchmark.producing import ready_workload
from benchmark.report import write_readme, write_tables
from benchmark.results import Results, machine, merge_workload, read_results, today, write_results
from benchmark.running import run_in_turn
from benchmark.scaling import measure_scaling, measure_starts
from benchmark.workloads import MAIN, QUICK, WORKLOADS, Workload
from local_services.errors import ServiceError
from local_services.hdfs import HdfsCluster
from local_services.kafka import KafkaCluster

TURNS, QUICK_TURNS = 5, 3
TOLERANCE = 0.30
QUICK_COMPETITORS = ("loader", "spark", "confluent")
MEMORY_FILE = STATE_FOLDER / "workloads.json"

EXAMPLE = f"""\
workloads: {", ".join(MAIN)}
competitors: {", ".join(COMPETITORS)}

examples:
  scripts/bench                        everything, about 35 minutes once the records are produced
  scripts/bench W1 W3 --turns 3        two workloads; the results of the others stay
  scripts/bench W1 --only loader,spark two competitors
  scripts/bench W1 --into /tmp/trial   a trial: results, plot and tables go there
  scripts/bench --scaling              one of the parts besides the workloads; also --starts, --memory
  scripts/bench --quick                under 2 minutes: fails when a ratio fell below the one that is kept
  scripts/bench --quick --keep         the same, and keep these ratios as those to compare with
  scripts/bench --produce W1 W3        only bring the records into Kafka, and leave it running

Records stay in .services/benchmark for the next time, 15 GB with those of --memory.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is stopped
    try:
        return _run(options)
    except (BenchmarkError, ServiceError) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    began_s = time.monotonic()
    STATE_FOLDER.mkdir(parents=True, exist_ok=True)
    names = options.workloads or list(MAIN)
    if options.produce:
        kafka = open_kafka()
        kafka.start()
        for name in names:
            ready_workload(kafka, WORKLOADS[name], MEMORY_FILE, _say)
        _say(f"Kafka runs on at {kafka.bootstrap_servers}")
        return 0
    parts = [part for part in ("goals", "starts", "scaling", "memory") if getattr(options, part)]
    with_workloads = bool(options.workloads or options.only or not parts) and not options.quick
    if with_workloads and not options.workloads and not options.only and not parts:
        parts = ["starts", "scaling", "memory", "goals"]
    target = Target(options.into)
    results = read_results(target.results_file)
    try:
        with ExitStack() as stack:
            kafka = _started(stack)
            if options.quick:
                return _quick(kafka, results, target, options)
            if with_workloads:
                _measure_workloads(kafka, stack, results, target, names, options)
            if "starts" in parts or "scaling" in parts:
                _measure_growth(kafka, results, target, parts, options.turns)
            if "memory" in parts:
                _measure_memory(kafka, results, target)
    finally:
        shutil.rmtree(OUTPUT_FOLDER, ignore_errors=True)
        shutil.rmtree(SCRATCH, ignore_errors=True)
    for goal in judge(results):
        verdict = {True: "met", False: "MISSED", None: ""}[goal.met]
        _say(f"{goal.what}: {goal.wanted}, measured {goal.measured or 'not'} {verdict}")
    target.publish(results)
    _say(f"measured in {(time.monotonic() - began_s) / 60:.1f} minutes; results in {target.results_file}")
    return 0


class Target:
    """Where results go: the committed files and README, or a folder of trials."""

    def __init__(self, folder: Path | None) -> None:
        self._is_trial = folder is not None
        self.results_file = folder / RESULTS_FILE.name if folder else RESULTS_FILE
        self._plot_file = folder / PLOT_FILE.name if folder else PLOT_FILE
        self._tables_file = folder / TABLES_FILE.name if folder else TABLES_FILE
        self._readme = folder / "README.md" if folder else CHECKOUT / "README.md"
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def keep(self, results: Results) -> None:
        """Write what was measured."""
        write_results(self.results_file, results)

    def publish(self, results: Results) -> None:
        """The plot, README's table and the file with all tables, from the results."""
        plot = None
        if draw(results, self._plot_file):
            plot = str(self._plot_file.relative_to(self._readme.parent))
        if self._is_trial:
            self._readme.touch()
        write_tables(self._tables_file, results)
        write_readme(self._readme, results, plot, str(self._tables_file.relative_to(self._readme.parent)))


def _started(stack: ExitStack) -> KafkaCluster:
    """The broker with the workloads: stopped at the end, unless it ran before."""
    kafka = open_kafka()
    ran_before = kafka.running
    _say("Kafka runs already" if ran_before else "starting Kafka")
    kafka.start()
    if not ran_before:
        stack.callback(kafka.stop)
    return kafka


def _measure_workloads(
    kafka: KafkaCluster,
    stack: ExitStack,
    results: Results,
    target: Target,
    names: Sequence[str],
    options: argparse.Namespace,
) -> None:
    hdfs: HdfsCluster | None = None
    for name in names:
        workload = WORKLOADS[name]
        if workload.into_hdfs and hdfs is None:
            hdfs = stack.enter_context(open_hdfs())
        ready = ready_workload(kafka, workload, MEMORY_FILE, _say)
        chosen = _chosen(options, name)
        servers = _server_pids(kafka, hdfs if workload.into_hdfs else None)
        turns = run_in_turn(ready, chosen, options.turns, servers, _say, hdfs)
        facts = _facts(workload, ready.reference.count)
        merge_workload(results, name, facts, turns)
        results["machine"] = machine()
        # After each workload: what comes later may fail, or be interrupted.
        target.keep(results)


def _facts(workload: Workload, row_count: int) -> dict[str, object]:
    return {"what": workload.what, "row_count": row_count, "date": today()}


def _server_pids(kafka: KafkaCluster, hdfs: HdfsCluster | None) -> list[int]:
    servers = [*kafka.servers, *(hdfs.servers if hdfs else ())]
    return [pid for server in servers if (pid := server.process.pid) is not None]


def _chosen(options: argparse.Namespace, workload: str) -> list[Competitor]:
    """Those that are named, wherever; else those that the workload is meant for."""
    if options.only:
        return [COMPETITORS[name] for name in options.only]
    return [competitor for competitor in COMPETITORS.values() if workload in competitor.workloads]


def _quick(kafka: KafkaCluster, results: Results, target: Target, options: argparse.Namespace) -> int:
    found: Results = {}
    competitors = [COMPETITORS[name] for name in QUICK_COMPETITORS]
    with ExitStack() as stack:
        warm = {each.name: stack.enter_context(each.start()) for each in competitors}
        for name in QUICK:
            workload = WORKLOADS[name]
            ready = ready_workload(kafka, workload, MEMORY_FILE, _say)
            turns = run_in_turn(ready, competitors, QUICK_TURNS, _server_pids(kafka, None), _say, warm=warm)
            merge_workload(found, name, _facts(workload, ready.reference.count), turns)
    ratios = quick_ratios(found, QUICK, tuple(name for name in QUICK_COMPETITORS if name != "loader"))
    kept = results.get("quick", {}).get("ratios", {})
    for name, value in ratios.items():
        before = f", {kept[name]:.2f} x is kept" if name in kept else ""
        _say(f"{name:24} {value:6.2f} x{before}")
    if options.keep:
        results["quick"] = {"date": today(), "ratios": ratios}
        target.keep(results)
        _say(f"kept in {target.results_file}")
        return 0
    if not kept:
        raise BenchmarkError("no ratios are kept to compare with: scripts/bench --quick --keep")
    lines = fallen(ratios, kept, options.tolerance)
    for line in lines:
        print(f"FELL: {line}", file=sys.stderr)
    _say(f"{len(kept) - len(lines)} of {len(kept)} ratios hold, with a tolerance of {options.tolerance:.0%}")
    return 1 if lines else 0


def _measure_growth(
    kafka: KafkaCluster, results: Results, target: Target, parts: Sequence[str], turns: int
) -> None:
    if "starts" in parts:
        measure_starts(kafka, results, MEMORY_FILE, turns, _say)
    if "scaling" in parts:
        measure_scaling(kafka, results, MEMORY_FILE, turns, _say)
    results["machine"] = machine()
    target.keep(results)


def _measure_memory(kafka: KafkaCluster, results: Results, target: Target) -> None:
    results["memory"] = measure_memory(kafka, MEMORY_FILE, _say)
    results["machine"] = machine()
    target.keep(results)


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="This loader and its peers on the same records and machine, in turn.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", type=_workload, metavar="WORKLOAD", help="all by default")
    parser.add_argument("--turns", type=int, default=TURNS, help=f"of each competitor; {TURNS} by default")
    parser.add_argument("--only", type=_competitors, metavar="NAMES", help="competitors, separated by commas")
    parser.add_argument(
        "--goals", action="store_true", help="judge what was measured, and write README's tables"
    )
    parser.add_argument("--starts", action="store_true", help="planning, and a run with nothing new")
    parser.add_argument("--scaling", action="store_true", help="how cost grows with records and partitions")
    parser.add_argument("--memory", action="store_true", help="the most memory that one task holds")
    parser.add_argument("--produce", action="store_true", help="produce the records and do nothing else")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="write everything there")
    parser.add_argument("--quick", action="store_true", help="small workloads, compared with the ratios kept")
    parser.add_argument("--keep", action="store_true", help="with --quick: keep the ratios found")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help=f"with --quick: how far a ratio may fall; {TOLERANCE} by default",
    )
    return parser


def _workload(word: str) -> str:
    name = word.upper()
    if name not in WORKLOADS:
        raise argparse.ArgumentTypeError(f"no workload {word!r}; there are {', '.join(MAIN)}")
    return name


def _competitors(word: str) -> list[str]:
    names = word.split(",")
    unknown = [name for name in names if name not in COMPETITORS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no competitor {unknown[0]!r}; there are {', '.join(COMPETITORS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
