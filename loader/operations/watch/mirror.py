"""The position as offsets of a consumer group, so that tools which know groups see how far the loader is.

A picture, never a source: nothing here is read back, so whoever changes or deletes the group changes what
those tools show, and not what is loaded. It is drawn after every run, also one with nothing new: brokers
forget offsets that nobody commits (offsets.retention.minutes), and what failed last time is made up.
"""

import time
from dataclasses import replace

from loader.errors import LoaderError
from loader.kafka_source.client import KafkaClient
from loader.operations.job import Job
from loader.storage.deadline import DeadlinePassed, within
from loader.values import Position

MIRROR_LIMIT_S = 5.0
"""What a run waits for the mirror at most. Its rows are committed by then."""

REASONS = {
    "GroupAuthorizationFailedError": "this user may not write offsets of the group: give it READ on it",
    "TopicAuthorizationFailedError": "this user may not read the topic",
    "UnknownMemberIdError": "the group has members, which own its offsets: name a group of the loader's own",
    "UnknownTopicOrPartitionError": "not found in the cluster",
}


def mirror_position(job: Job, position: Position, limit_s: float = MIRROR_LIMIT_S) -> str | None:
    """Commit the position of the job's topics to its kafka.mirror_group, if it names one.

    Returns what went wrong, None if nothing; raises nothing that brokers can do, and takes `limit_s` at most.
    """
    group = job.config.kafka.mirror_group
    places = {
        partition: place
        for partition, place in position
        if job.config.topic_config(partition.topic) is not None  # of others nobody waits for progress
    }
    if group is None or not places:
        return None
    # A client of its own, with short requests: the job's may wait for minutes, as a load should.
    settings = replace(job.kafka, request_timeout_ms=int(limit_s * 1000))
    deadline_s = time.monotonic() + limit_s

    def commit() -> dict[str, list[str]]:
        from loader.kafka_source.group_offsets import commit_offsets

        with KafkaClient(settings) as client:
            client.connect(settings.request_timeout_ms)
            refused = commit_offsets(client, group, places, deadline_s)
        return {name: sorted({each.topic for each in partitions}) for name, partitions in refused.items()}

    try:
        refused = within(limit_s, commit)
    except (LoaderError, DeadlinePassed) as error:
        return str(error).removesuffix(".")
    except Exception as error:  # a run that has committed does not fail by a picture of it
        return repr(error)
    said = [f"{_shown(topics)}: {REASONS.get(name, name)}" for name, topics in sorted(refused.items())]
    return "; ".join(said) or None


def _shown(topics: list[str]) -> str:
    return ", ".join(topics[:3]) + (f" and {len(topics) - 3} more" if len(topics) > 3 else "")
