"""The brokers: each address that the job names, and each that the cluster advertises; and what they allow."""

import time
from collections.abc import Iterator
from dataclasses import replace

from loader.commits.identity import read_identity
from loader.errors import BrokerUnavailable, ClusterChanged, LoaderError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.rights import (
    knock,
    may_describe_cluster,
    may_write_group,
    read_versions,
    unreadable_topics,
)
from loader.kafka_source.settings import KafkaSettings
from loader.operations.checks.check import Check, Verdict, bad, doubtful, failed, fine
from loader.operations.job import Job

LONGEST_ANSWER_MS = 5_000
"""For one request: who looks at brokers does not want to wait as long as a load should."""

MOST_SHOWN = 5

ADVERTISED = (
    "Set the broker's advertised.listeners to a name and port that this host reaches, or let this host reach"
    " it (DNS, /etc/hosts, firewall)."
)


def impatient(kafka: KafkaSettings) -> KafkaSettings:
    """The same brokers, asked with short requests."""
    return replace(kafka, request_timeout_ms=min(kafka.request_timeout_ms, LONGEST_ANSWER_MS))


def check_bootstrap(kafka: KafkaSettings) -> Iterator[Check]:
    """Each bootstrap server by itself: does its name resolve, does it take connections and this login.

    One that answers is enough for a run, so others are warnings then.
    """
    checks = [_bootstrap(impatient(kafka), server) for server in kafka.bootstrap_servers]
    one_answers = any(check.verdict is Verdict.OK for check in checks)
    for check in checks:
        if check.verdict is Verdict.PROBLEM and one_answers:
            yield doubtful(check.name, check.found, f"Runs start by another one. {check.to_do}".strip())
        else:
            yield check


def _bootstrap(kafka: KafkaSettings, server: str) -> Check:
    name = f"bootstrap {server}"
    problem = knock(server, LONGEST_ANSWER_MS / 1000)
    if problem is not None:
        is_unknown = "cannot be resolved" in problem
        fix = "Correct kafka.bootstrap_servers, or the DNS of this host."
        wait = "Start the broker, correct kafka.bootstrap_servers, or open the way to it (firewall)."
        return bad(name, problem, fix if is_unknown else wait, 2 if is_unknown else 3)
    with KafkaClient(replace(kafka, bootstrap_servers=(server,))) as client:
        try:
            client.connect(kafka.request_timeout_ms)
        except LoaderError as error:
            if not (isinstance(error, BrokerUnavailable) and client.brokers):
                return failed(name, error)
            # It answers itself; what it advertises does not, and is told with each broker.
        count = len(client.brokers)
    return fine(name, f"answers, and names {count} broker{'' if count == 1 else 's'}")


def check_brokers(kafka: KafkaSettings) -> Iterator[Check]:
    """Each broker of the cluster by the address that it advertises: tasks connect to those."""
    with _connected(kafka) as client:
        for node_id, address in sorted(client.brokers.items()):
            yield _broker(client, node_id, address)


def _connected(kafka: KafkaSettings) -> KafkaClient:
    """A client that knows the cluster's brokers, also where none of them can be reached."""
    client = KafkaClient(impatient(kafka))
    try:
        client.connect(client.settings.request_timeout_ms)
    except BrokerUnavailable:
        if not client.brokers:
            client.close()
            raise
    except BaseException:
        client.close()
        raise
    return client


def _broker(client: KafkaClient, node_id: int, address: str) -> Check:
    name = f"broker {node_id}"
    problem = knock(address, LONGEST_ANSWER_MS / 1000)
    if problem is not None:
        is_unknown = "cannot be resolved" in problem
        to_do = ADVERTISED if is_unknown else f"Start the broker if it is down. {ADVERTISED}"
        return bad(name, f"advertises {address}: {problem}", to_do, 2 if is_unknown else 3)
    try:
        versions = read_versions(client, node_id)
    except LoaderError as error:
        return failed(name, error)
    if not versions.is_new_enough:
        found = f"{address} speaks the protocol of Kafka {versions.release}"
        return bad(name, found, "Upgrade it: Kafka 3.1 or newer answers fetches by topic id (KIP-516).", 2)
    return fine(name, f"{address} answers, and speaks the protocol of Kafka {versions.release}")


def check_rights(job: Job, *, storage_answers: bool) -> Iterator[Check]:
    """The cluster that answers, the job's topics in it, and what this user may do with them."""
    with _connected(job.kafka) as client:
        names = [entry.name for entry in job.config.topics if entry.name is not None]
        patterns = [entry.pattern for entry in job.config.topics if entry.pattern is not None]
        listing = read_listing(client, names, patterns)
        if storage_answers:
            yield _cluster(job, listing.cluster_id)
        yield from _topics(client, listing)
        if may_describe_cluster(client):
            yield fine("log sizes", "this user may DESCRIBE the cluster, so brokers tell the sizes of logs")
        else:
            found = "this user may not DESCRIBE the cluster: sizes and lag in bytes are estimated by samples"
            yield doubtful("log sizes", found, "Give it DESCRIBE on the cluster, if exact plans matter.")
        if job.config.kafka.mirror_group is not None:
            yield _mirror_group(client, job.config.kafka.mirror_group)


def _cluster(job: Job, cluster_id: str) -> Check:
    try:
        identity = read_identity(job.storage, job.name)
        if identity is None:
            return fine("cluster", f"{cluster_id}; the ledger will be tied to it by the first run")
        identity.check_cluster(cluster_id)
    except ClusterChanged as error:
        return failed("cluster", error)
    except LoaderError:
        return fine("cluster", f"{cluster_id}; which one the ledger belongs to could not be read")
    return fine("cluster", f"{cluster_id}, the one that the ledger belongs to")


def _topics(client: KafkaClient, listing: ClusterListing) -> Iterator[Check]:
    if listing.missing:
        found = f"not in the cluster: {_shown(listing.missing)}"
        to_do = "Create them or take them out of [[topics]]; if they are there, this user may lack DESCRIBE."
        yield bad("topics", found, to_do, 4)
    if listing.denied:
        found = f"this user may not DESCRIBE {_shown(listing.denied)}"
        yield bad("topics", found, "Give it DESCRIBE and READ on the topics.", 2)
    unreadable = unreadable_topics(client, listing.topics) if listing.topics else []
    if unreadable:
        found = f"this user may not READ {_shown(unreadable)}"
        yield bad("topics", found, "Give it READ on the topics.", 2)
    readable = len(listing.topics) - len(unreadable)
    partitions = sum(len(topic.leaders) for topic in listing.topics.values())
    if readable:
        yield fine("topics", f"{readable:,} of the job can be read; partitions in all: {partitions:,}")
    elif not (listing.missing or listing.denied or unreadable):
        to_do = "Correct the patterns of [[topics]], or wait for topics; this user sees only what it may."
        yield doubtful("topics", "no topic of the cluster matches", to_do)


def _mirror_group(client: KafkaClient, group: str) -> Check:
    from loader.kafka_source.group_offsets import await_coordinator

    name = "mirror group"
    coordinator, error = await_coordinator(client, group, time.monotonic() + LONGEST_ANSWER_MS / 1000)
    right = f"Give this user READ on the group {group}; until then runs warn, and load all the same."
    if "Authorization" in error.__name__ or (
        coordinator >= 0 and not may_write_group(client, group, coordinator)
    ):
        return doubtful(name, f"this user may not write offsets of {group}", right)
    if coordinator < 0:
        return doubtful(name, f"{group} has no coordinator now ({error.__name__})", "Look again later.")
    return fine(name, f"offsets of {group} can be written")


def _shown(topics: frozenset[str] | list[str]) -> str:
    names = sorted(topics)
    return ", ".join(names[:MOST_SHOWN]) + (
        f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    )
