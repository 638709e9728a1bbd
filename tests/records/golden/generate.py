"""Makes the golden responses anew: python -m tests.records.golden.generate, from the top of the checkout.

Kafka's Java client produces to a real broker; what the broker answers to one fetch of each topic is kept
byte by byte in TOPIC.batches, and what the Java consumer reads (read_committed) in TOPIC.json. Needs a JDK.
Tests need neither: they read the files.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer
from kafka.protocol.consumer.fetch import FetchRequest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))

from local_services.kafka import KafkaCluster, run_java  # noqa: E402

from ..plain_decoder import whole_batches  # noqa: E402

PROGRAM = HERE / "GoldenRecords.java"
PROPERTIES = {
    "log.initial.task.delay.ms": "500",
    "log.cleaner.backoff.ms": "500",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}


def main() -> None:
    """Write the files of every topic."""
    with tempfile.TemporaryDirectory() as folder, KafkaCluster(Path(folder), properties=PROPERTIES) as kafka:
        topics = run_java(PROGRAM, kafka.bootstrap_servers, "produce")[0].decode().split()
        for topic in topics:
            answer = fetch(kafka, topic)
            give_up = time.monotonic() + 60
            while not is_settled(topic, answer):
                assert time.monotonic() < give_up, f"{topic} is not as it should be: {answer}"
                time.sleep(0.5)
                answer = fetch(kafka, topic)
            read = run_java(PROGRAM, kafka.bootstrap_servers, "consume", topic)[0].decode()
            write(topic, answer, [json.loads(line) for line in read.splitlines()])


def fetch(kafka: KafkaCluster, topic: str) -> Any:
    """One response of the broker, from offset 0 on."""
    partition = FetchRequest.FetchTopic.FetchPartition(
        partition=0,
        current_leader_epoch=-1,
        fetch_offset=0,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=50_000_000,
    )
    request = FetchRequest(
        max_version=12,  # the last that asks by name
        replica_id=-1,
        max_wait_ms=100,
        min_bytes=1,
        max_bytes=50_000_000,
        isolation_level=1,
        session_id=0,
        session_epoch=-1,
        topics=[FetchRequest.FetchTopic(topic=topic, partitions=[partition])],
        forgotten_topics_data=[],
        rack_id="",
    )
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)
    try:
        manager = consumer._client._manager

        async def exchange() -> Any:
            return await manager.send(request, node_id=1)

        return manager.run(exchange).responses[0].partitions[0]
    finally:
        consumer.close()


def is_settled(topic: str, answer: Any) -> bool:
    """Whether all markers are written and sent, and the cleaner was at work where it should be."""
    records = bytes(answer.records or b"")
    if topic == "compacted":
        return 0 < len(records) < 1_500_000
    ends = [header.last_offset + 1 for header, _ in whole_batches(records)]
    return ends[-1:] == [answer.high_watermark] == [answer.last_stable_offset]


def write(topic: str, answer: Any, rows: list[dict[str, Any]]) -> None:
    """Keep a response and its rows."""
    records = bytes(answer.records)
    (HERE / f"{topic}.batches").write_bytes(records)
    content = {
        "end_offset": answer.last_stable_offset,
        "aborted_transactions": [
            [aborted.first_offset, aborted.producer_id] for aborted in answer.aborted_transactions or ()
        ],
        "rows": rows,
    }
    text = json.dumps(content, indent=1)
    (HERE / f"{topic}.json").write_text(text + "\n")
    print(f"{topic}: {len(records)} bytes, {len(rows)} rows")


if __name__ == "__main__":
    main()
