from typing import Any

import pytest

from benchmark.goals import Goal, fallen, judge, quick_ratios
from benchmark.results import Results, merge_workload, spreads


def turn(seconds: float, cpu_s: float = 1.0, *, counts: bool = True) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "server_cpu_s": 0.5,
        "peak_rss_bytes": 2**20,
        "written_bytes": 1_000_000,
        "rows": 100,
        "counts": counts,
    }


def results_of(**seconds: float) -> Results:
    """Of W1: by competitor, with _ for -."""
    results: Results = {}
    turns = {name.replace("_", "-"): [turn(each)] for name, each in seconds.items()}
    merge_workload(results, "W1", {"what": "records", "row_count": 100}, turns)
    return results


def goal(results: Results, beginning: str) -> Goal:
    (found,) = [each for each in judge(results) if each.what.startswith(beginning)]
    return found


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    goals = judge({})

    assert len(goals) == 21
    assert {(each.measured, each.met) for each in goals} == {(None, None)}


@pytest.mark.parametrize(("seconds", "met"), [(7.0, True), (6.99, False)])
def test_a_goal_is_met_from_its_ratio_on(seconds: float, met: bool) -> None:
    found = goal(results_of(loader=1.0, spark=seconds), "W1 load stage")

    assert found.met is met
    assert found.measured == f"{seconds:.2f} x"


def test_single_processes_are_compared_with_a_single_process() -> None:
    results = results_of(loader=1.0, loader_1=2.0, confluent_defaults=12.0)

    assert goal(results, "W1 against confluent-kafka").measured == "6.00 x"


def test_turns_that_warm_up_do_not_count_and_the_median_does() -> None:
    results: Results = {}
    warm_up, counted = turn(100.0, counts=False), [turn(3.0), turn(1.0), turn(2.0)]
    merge_workload(results, "W1", {}, {"loader": [warm_up, *counted], "spark": [turn(14.0)]})

    assert goal(results, "W1 load stage").measured == "7.00 x"
    summary = results["workloads"]["W1"]["competitors"]["loader"]["summary"]
    assert summary["turns"] == 3
    assert summary["seconds"] == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_a_workload_measured_again_leaves_other_workloads_and_competitors_as_they_were() -> None:
    results = results_of(loader=1.0, spark=8.0)
    merge_workload(results, "W3", {"what": "others"}, {"loader": [turn(5.0)]})

    merge_workload(results, "W1", {"what": "records"}, {"loader": [turn(2.0)]})

    assert goal(results, "W1 load stage").measured == "4.00 x"
    assert results["workloads"]["W3"]["competitors"]["loader"]["summary"]["seconds"]["median"] == 5.0


def test_the_largest_task_counts_and_only_with_the_range_of_10_gb() -> None:
    tasks = {"W1": {"peak_bytes": 600 * 2**20}}
    assert goal({"memory": {"tasks": tasks}}, "peak memory").met is None

    tasks["M10"] = {"peak_bytes": 400 * 2**20}

    assert goal({"memory": {"tasks": tasks}}, "peak memory") == Goal(
        "peak memory of a task, any workload, a range of 10 GB", "512 MiB", "600 MiB", False
    )


def test_a_limit_is_met_up_to_it() -> None:
    starts = {"plan-10000-partitions": spreads([{"seconds": 3.0}], ["seconds"])}

    assert goal({"starts": starts}, "planning 10,000").met is True


def test_a_ratio_that_fell_by_more_than_the_tolerance_is_named_and_others_are_not() -> None:
    kept = {"Q1 spark seconds": 10.0, "Q1 spark cpu_s": 10.0, "Q3 spark seconds": 4.0}
    found = {"Q1 spark seconds": 6.9, "Q1 spark cpu_s": 7.1}

    assert fallen(found, kept, 0.3) == [
        "Q1 spark seconds: 6.90 x, 31% below the 10.00 x that is kept",
        "Q3 spark seconds: not measured, 4.00 x is kept",
    ]


def test_quick_compares_time_and_cpu_with_each_peer() -> None:
    results: Results = {}
    turns = {"loader": [turn(1.0, 2.0)], "spark": [turn(9.0, 8.0)], "confluent": [turn(3.0, 3.0)]}
    merge_workload(results, "Q1", {}, turns)

    assert quick_ratios(results, ("Q1", "Q3"), ("spark", "confluent")) == {
        "Q1 spark seconds": 9.0,
        "Q1 spark cpu_s": 4.0,
        "Q1 confluent seconds": 3.0,
        "Q1 confluent cpu_s": 1.5,
    }
