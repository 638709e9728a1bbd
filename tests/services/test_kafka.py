from confluent_kafka import Consumer, Producer, TopicPartition
from local_services.kafka import KafkaCluster


def produce(cluster: KafkaCluster, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(cluster: KafkaCluster, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = [message.value() for message in consumer.consume(count, timeout=30)]
    consumer.close()
    return values


def test_a_new_topic_can_be_written_and_read_at_once(kafka, new_topic):
    topic = new_topic(partitions=3, config={"max.message.bytes": "2000000"})

    produce(kafka, topic, [b"a"])
    out, _ = kafka.run_tool(
        *("org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic),
        *("--from-beginning", "--max-messages", "1"),
    )

    assert topic.startswith("test-a-new-topic-can-be-written")
    assert out == b"a\n"
