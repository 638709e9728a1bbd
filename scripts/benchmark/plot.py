"""The load stage of each competitor on each workload, as a picture that reads on light and dark pages."""

from pathlib import Path

from benchmark.goals import rows_per_second
from benchmark.results import Results
from benchmark.workloads import MAIN

# Middle tones on a transparent ground, and grey text: each stands out from white and from near-black.
_TEXT = "#7d8590"
_COLOURS = {
    "loader": "#1f9d6b",
    "loader-1": "#6cc9a1",
    "spark": "#e07b39",
    "confluent": "#4c8dd6",
    "kafka-python": "#a678d8",
    "consumer-perf": "#b0a13c",
}
_NAMES = {
    "loader": "this loader, 2 processes",
    "loader-1": "this loader, 1 process",
    "spark": "Spark's Kafka source, warm",
    "confluent": "confluent-kafka + pyarrow, 1 process",
    "kafka-python": "kafka-python + pyarrow, 1 process",
    "consumer-perf": "ConsumerPerformance (Java), writes nothing",
}
_BAR, _GAP = 0.8, 0.9


def draw(results: Results, path: Path) -> bool:
    """Write the plot as SVG: records per second, on a logarithmic axis, since they lie far apart.

    False when there is nothing to draw.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Text stays text; and the same results give the same bytes.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmark", "font.family": "sans-serif"})
    groups = [
        (name, speeds)
        for name in MAIN
        if (speeds := [(each, speed) for each in _COLOURS if (speed := rows_per_second(results, name, each))])
    ]
    if not groups:
        return False
    bar_count = sum(len(speeds) for _, speeds in groups)
    figure = Figure(figsize=(9, 1.8 + 0.24 * (bar_count + _GAP * len(groups))), layout="constrained")
    axes = figure.subplots()
    at, ticks, labels = 0.0, [], []
    for name, speeds in groups:
        ticks.append(at + (len(speeds) - 1) / 2)
        labels.append(name)
        for competitor, speed in speeds:
            axes.barh(at, speed, _BAR, color=_COLOURS[competitor])
            axes.text(speed * 1.04, at, f"{speed / 1000:,.0f} k", va="center", color=_TEXT, fontsize=8)
            at += 1
        at += _GAP
    axes.set_xscale("log")
    axes.set_yticks(ticks, labels)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.01)
    axes.set_xlabel("records per second, median turn, logarithmic", color=_TEXT)
    axes.tick_params(colors=_TEXT, which="both", left=False)
    axes.grid(axis="x", color=_TEXT, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    shown = {competitor for _, speeds in groups for competitor, _ in speeds}
    handles = [
        axes.barh([0], [0], color=_COLOURS[each], label=_NAMES[each]) for each in _COLOURS if each in shown
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, frameon=False, labelcolor=_TEXT, fontsize=9
    )
    figure.savefig(path, transparent=True, metadata={"Date": None})
    return True
