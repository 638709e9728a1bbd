"""A topic that would lose or mix records stops by itself, says why, and the others of its job go on."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from loader.operations.listening import Step
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .crashes import Interruption
from .folders import staged_paths
from .producing import messages, produce, wait_until
from .records import offsets_of

Harm = Callable[[KafkaCluster, str], None]


def delete_records(kafka: KafkaCluster, topic: str) -> None:
    """As retention does: the log now starts at 25."""
    admin = _admin(kafka)
    place = TopicPartition(topic, 0, 25)
    admin.delete_records([place])[place].result(30)


def delete(kafka: KafkaCluster, topic: str) -> None:
    """Return when no broker knows the topic any more."""
    admin = _admin(kafka)
    admin.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in admin.list_topics(timeout=10).topics, f"{topic} to be gone")


def recreate(kafka: KafkaCluster, topic: str, record_count: int = 40) -> None:
    """Another topic of the same name, by default with as many records as the old one had."""
    delete(kafka, topic)
    admin = _admin(kafka)

    def created() -> bool:
        try:
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
        except KafkaException:  # the old one's files are still being deleted
            return False
        return True

    wait_until(created, f"{topic} to be created again")
    produce(kafka, topic, messages(record_count, first=100))


def _admin(kafka: KafkaCluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})


HARMS = [
    pytest.param(
        delete_records,
        "OffsetsExpired",
        "Kafka's log now starts at 25, so 5 offsets were deleted before they were loaded",
        id="expired",
    ),
    pytest.param(delete, "TopicVanished", "not found in the cluster, though it was loaded before", id="gone"),
    pytest.param(recreate, "TopicRecreated", "was deleted and created again since", id="recreated"),
]


@pytest.mark.parametrize(("harm", "kind", "message"), HARMS)
def test_a_harmed_topic_stops_with_its_own_message_while_the_others_commit(
    harm: Harm,
    kind: str,
    message: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
) -> None:
    harmed, healthy = new_topic(), new_topic()
    job = new_job(harmed, healthy)
    for topic in (harmed, healthy):
        produce(kafka, topic, messages(20))
    job.run()
    for topic in (harmed, healthy):
        produce(kafka, topic, messages(20, first=20))
    harm(kafka, harmed)

    ended = job.try_run()

    assert ended.status == 4
    (failure,) = ended.document["failures"][harmed]
    assert failure["kind"] == kind
    assert message in failure["message"]
    assert message in ended.errors
    assert {each["topic"] for each in ended.document["ranges"]} == {healthy}
    records = job.records()
    assert offsets_of(records, healthy) == list(range(40))
    assert offsets_of(records, harmed) == list(range(20))

    again = job.try_run()  # it does not heal by being tried again

    assert again.status == 4
    assert not again.document["committed"]
    assert job.records() == records


@pytest.mark.parametrize(("harm", "kind", "message"), [HARMS[0], HARMS[2]])
def test_a_topic_harmed_between_plan_and_fetch_stops_while_the_others_commit(
    harm: Harm,
    kind: str,
    message: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harmed, healthy = new_topic(), new_topic()
    job = new_job(harmed, healthy)
    for topic in (harmed, healthy):
        produce(kafka, topic, messages(20))
    job.run()
    for topic in (harmed, healthy):
        produce(kafka, topic, messages(20, first=20))
    monkeypatch.setattr(
        "loader.cli.run.ProgressListener", lambda *_: Interruption(Step.LOAD, lambda: harm(kafka, harmed))
    )

    ended = job.try_run()

    assert ended.status == 4
    assert [failure["kind"] for failure in ended.document["failures"][harmed]] == [kind]
    assert message in ended.errors
    assert offsets_of(job.records(), healthy) == list(range(40))
    assert offsets_of(job.records(), harmed) == list(range(20))
    assert staged_paths(job.folder) == []


def test_a_named_topic_that_never_existed_stops_while_the_others_commit(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic, f"{topic}-not-there")

    ended = job.try_run()

    assert ended.status == 4
    assert f"{topic}-not-there: not found in the cluster, though the config names it" in ended.errors
    assert offsets_of(job.records(), topic) == list(range(10))


def test_a_job_whose_only_topic_is_harmed_commits_nothing(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(20))
    job = new_job(topic)
    job.run()
    produce(kafka, topic, messages(20, first=20))
    delete_records(kafka, topic)
    before = job.folder.paths()

    ended = job.try_run()

    assert ended.status == 4
    assert job.folder.paths() == before


def test_rows_of_another_job_are_not_doubled_by_a_job_of_another_name(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(20))
    first, second = new_job(topic, name="first"), new_job(topic, name="second")
    first.run()

    ended = second.try_run()

    assert ended.status == 4
    assert "If another job loads it, give this one another destination" in ended.errors
    assert offsets_of(first.records()) == list(range(20))
