"""How many bytes each partition takes on its leader's disk (KIP-113), to plan by when no commit tells."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from kafka import errors as kafka_errors
from kafka.protocol.admin.cluster import DescribeLogDirsRequest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.connections import DENIED
from loader.kafka_source.metadata import ClusterListing
from loader.values import TopicPartition


@dataclass(frozen=True, slots=True)
class LogSizes:
    """Bytes of each partition's log on its leader, as far as the brokers tell.

    denied      brokers that do not allow the question, by node id: it needs DESCRIBE on the cluster
    unanswered  brokers that gave no answer, and why
    """

    by_partition: Mapping[TopicPartition, int]
    denied: frozenset[int]
    unanswered: Mapping[int, str]


def read_log_sizes(client: KafkaClient, listing: ClusterListing) -> Mapping[TopicPartition, int]:
    """Bytes of each partition's log on its leader.

    An estimate is all that this is for: a broker that does not answer or does not allow the question
    (it needs DESCRIBE on the cluster) leaves its partitions out.
    """
    return ask_log_sizes(client, listing).by_partition


def ask_log_sizes(client: KafkaClient, listing: ClusterListing) -> LogSizes:
    """Ask each leader for the sizes of the logs that it leads."""
    by_node: defaultdict[int, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for topic in listing.topics.values():
        for number, leader in topic.leaders.items():
            if leader.node_id >= 0:
                by_node[leader.node_id][topic.name].append(number)
    topic_type = DescribeLogDirsRequest.DescribableLogDirTopic
    answers = client.ask_each(
        {
            node_id: DescribeLogDirsRequest(
                topics=[topic_type(topic=name, partitions=numbers) for name, numbers in topics.items()]
            )
            for node_id, topics in by_node.items()
        }
    )
    sizes: dict[TopicPartition, int] = {}
    denied: set[int] = set()
    unanswered: dict[int, str] = {}
    for node_id in by_node:
        answer = answers[node_id]
        error = answer if isinstance(answer, Exception) else kafka_errors.for_code(answer.error_code)()
        if isinstance(error, DENIED):
            denied.add(node_id)
        elif not isinstance(error, kafka_errors.NoError):
            unanswered[node_id] = f"{client.address_of(node_id)}: {error!r}"
        if isinstance(answer, Exception):
            continue
        for folder in answer.results:
            for topic in folder.topics:
                for partition in topic.partitions:
                    if not partition.is_future_key:
                        sizes[TopicPartition(topic.name, partition.partition_index)] = (
                            partition.partition_size
                        )
    return LogSizes(sizes, frozenset(denied), unanswered)
