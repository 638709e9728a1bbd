"""Speed as ratios: this loader and its peers on the same records and machine, in turn, their output checked.

    scripts/bench --help

A turn is one competitor's load of one workload into an empty folder. Competitors take turns, A B A B, so
that what disturbs the machine for a while disturbs all of them. What each wrote is compared with what an
independent client read before its time counts.
"""
