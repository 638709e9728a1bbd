"""The results as Markdown: the goals between two markers of README.md, every table in a file of its own."""

from pathlib import Path
from typing import Any

from benchmark.competitors import COMPETITORS
from benchmark.errors import BenchmarkError
from benchmark.goals import Goal, judge
from benchmark.results import Results, median_of
from benchmark.workloads import MAIN, TYPED, WORKLOADS

BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"
MIB = 1024**2


def write_readme(readme: Path, results: Results, plot: str | None, tables: str) -> None:
    """Replace what is between the markers; make the section when there is none.

    plot, tables  paths of the plot and of the file with all tables, from README's folder
    """
    text = readme.read_text()
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n## Performance\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise BenchmarkError(f"{readme.name} has {BEGIN} without {END} behind it: add the second marker")
    parts = [_machine_line(results)]
    if plot is not None:
        parts.append(f"![Records per second of each competitor, by workload]({plot})")
    parts.append(_goal_table(judge(results)))
    parts.append(f"[All turns, how cost grows, and the memory of a task]({tables})")
    body = "\n\n".join(parts)
    readme.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")


def write_tables(file: Path, results: Results) -> None:
    """Everything that was measured."""
    file.write_text(tables_of(results))


def tables_of(results: Results) -> str:
    """All tables but the goals'."""
    parts = [
        "# What scripts/bench measured",
        _machine_line(results),
        "[Where the time goes, and what was tried](PROFILE.md) for the goals that are missed.",
    ]
    if results.get("workloads"):
        parts.append("## Turns\n\n" + _turn_table(results))
    if any(name in results.get("workloads", {}) for name in TYPED):
        parts.append("## Formats\n\n" + _format_table(results))
    if results.get("scaling"):
        parts.append("## How cost grows\n\n" + _scaling_tables(results["scaling"]))
    if results.get("memory"):
        parts.append("## Memory of a task\n\n" + _memory_table(results["memory"]))
    return "\n\n".join(parts) + "\n"


def _machine_line(results: Results) -> str:
    machine = results.get("machine", {})
    if not machine:
        return "Nothing was measured yet: run `scripts/bench`."
    return (
        f"Measured {machine['date']} on {machine['cores']} cores ({machine['cpu']}),"
        f" {machine['memory_gib']} GiB, with the broker on the same cores: Kafka {machine['kafka']},"
        f" pyspark {machine['pyspark']}, pyarrow {machine['pyarrow']}, Python {machine['python']}."
        " Medians of turns A B A B, fastest and slowest in brackets; every output was compared with what an"
        " independent client read. CPU is of all processes of a competitor, without the broker; memory is the"
        " largest sum of their resident sets, in which shared pages count for each. `scripts/bench` measures"
        " it again."
    )


def _goal_table(goals: list[Goal]) -> str:
    lines = ["| goal | wanted | measured | |", "|---|---:|---:|---|"]
    verdicts = {True: "met", False: "**missed**", None: ""}
    lines += [
        f"| {goal.what} | {goal.wanted} | {goal.measured or 'not measured'} | {verdicts[goal.met]} |"
        for goal in goals
    ]
    return "\n".join(lines)


def _turn_table(results: Results) -> str:
    head = ["competitor", "turns", "seconds", "against the loader", "CPU s", "broker CPU s"]
    head += ["memory MiB", "written MB"]
    lines = []
    for name in MAIN:
        entry = results["workloads"].get(name)
        if entry is None:
            continue
        lines += [
            f"**{name}**: {entry['what']}; {entry['row_count']:,} rows",
            "",
            f"| {' | '.join(head)} |",
            "|---|" + "---:|" * (len(head) - 1),
        ]
        competitors = entry["competitors"]
        ours = competitors.get("loader", {}).get("summary", {}).get("seconds", {}).get("median")
        for competitor in [each for each in COMPETITORS if each in competitors]:
            figures = competitors[competitor]["summary"]
            if figures["turns"]:
                lines.append(f"| {' | '.join(_turn_row(competitor, figures, ours))} |")
        lines.append("")
    lines += ["", "Competitors:", ""]
    lines += [
        f"- `{competitor.name}`: {competitor.what}{_where(competitor.workloads)}"
        for competitor in COMPETITORS.values()
    ]
    return "\n".join(lines)


def _turn_row(competitor: str, figures: dict[str, Any], ours: float | None) -> list[str]:
    seconds = figures["seconds"]
    return [
        competitor,
        str(figures["turns"]),
        f"{seconds['median']:.2f} ({seconds['min']:.2f} to {seconds['max']:.2f})",
        f"{seconds['median'] / ours:.2f} x" if ours else "",
        f"{figures['cpu_s']['median']:.2f}",
        f"{figures['server_cpu_s']['median']:.2f}",
        f"{figures['peak_rss_bytes']['median'] / MIB:,.0f}",
        f"{figures['written_bytes']['median'] / 1e6:,.0f}" if figures["written_bytes"]["median"] else "",
    ]


def _where(workloads: tuple[str, ...]) -> str:
    main = [name for name in workloads if name in MAIN]
    return "" if set(main) == set(MAIN) else f" (only {', '.join(main)})"


def _format_table(results: Results) -> str:
    """Rates per core: records by CPU second, all processes of a competitor together."""
    head = ["", "records", "this loader, records per CPU second", "Spark's", ""]
    lines = [f"| {' | '.join(head)} |", "|---|---:|---:|---:|---:|"]
    for name, function in zip(TYPED, ("from_json", "from_avro", "from_protobuf"), strict=True):
        rows = results["workloads"].get(name, {}).get("row_count")
        ours, sparks = (median_of(results, name, each, "cpu_s") for each in ("loader-1", "spark"))
        if rows and ours:
            cells = [WORKLOADS[name].what, f"{rows:,}", f"{rows / ours:,.0f}"]
            cells += [f"{function}: {rows / sparks:,.0f}" if sparks else f"{function}: not measured"]
            cells += [f"{sparks / ours:.1f} x" if sparks else ""]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _scaling_tables(scaling: dict[str, Any]) -> str:
    parts = []
    for series in scaling.values():
        lines = [f"{series['what']}:", "", f"| {series['unit']} | seconds | CPU s |", "|---:|---:|---:|"]
        for point in series["points"]:
            seconds = point["seconds"]
            spread = f"{seconds['median']:.2f} ({seconds['min']:.2f} to {seconds['max']:.2f})"
            lines.append(f"| {point['size']:,} | {spread} | {point['cpu_s']['median']:.2f} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _memory_table(memory: dict[str, Any]) -> str:
    lines = ["| workload | | peak MiB |", "|---|---|---:|"]
    for name, task in memory["tasks"].items():
        lines.append(f"| {name} | {WORKLOADS[name].what} | {task['peak_bytes'] / MIB:,.0f} |")
    return "\n".join(lines)
