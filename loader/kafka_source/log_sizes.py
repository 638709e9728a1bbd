"""How many bytes each partition takes on its leader's disk (KIP-113), to plan by when no commit tells."""

from collections import defaultdict

from kafka.protocol.admin.cluster import DescribeLogDirsRequest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing
from loader.values import TopicPartition


def read_log_sizes(client: KafkaClient, listing: ClusterListing) -> dict[TopicPartition, int]:
    """Bytes of each partition's log on its leader.

    An estimate is all that this is for: a broker that does not answer or does not allow the question
    (it needs DESCRIBE on the cluster) leaves its partitions out.
    """
    by_node: defaultdict[int | None, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
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
    for answer in answers.values():
        if isinstance(answer, Exception):
            continue
        for folder in answer.results:
            for topic in folder.topics:
                for partition in topic.partitions:
                    if not partition.is_future_key:
                        sizes[TopicPartition(topic.name, partition.partition_index)] = (
                            partition.partition_size
                        )
    return sizes
