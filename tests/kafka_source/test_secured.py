"""TLS, logins and ACLs: who may not, is told so at once and in words; and no password ever shows."""

import random
import ssl
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from cryptography.hazmat.primitives import serialization

from loader.errors import AccessDenied, BrokerUnavailable, LoaderError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.log_samples import read_sample_rates
from loader.kafka_source.log_sizes import read_log_sizes
from loader.kafka_source.metadata import read_listing
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.kafka_source.watermarks import read_bounds
from loader.operations.estimates import estimate_sizes
from loader.planning.ranges import PlannedPartition
from loader.values import FetchedRecords, OffsetRange
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.end_to_end.folders import LocalFolder
from tests.end_to_end.jobs import Ended, Job, kafka_loader, write_config
from tests.end_to_end.oracle import read_by_librdkafka
from tests.end_to_end.producing import Message, messages, produce, wait_until
from tests.end_to_end.records import assert_same_records

from .asking import admin_of, create, settings, soon, topic_id_of

PASSWORD = "r1ght-s3cret"  # noqa: S105  of a cluster that lives for seconds


@dataclass(frozen=True)
class Secured:
    """A cluster where ann logs in over TLS: may read `open` and `large`, describe `shown`, not see `shut`."""

    cluster: KafkaCluster
    address: str
    ca_file: Path

    def settings(self, **changes: Any) -> KafkaSettings:
        security = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": "ann",
            "sasl_plain_password": PASSWORD,
            "ssl_cafile": str(self.ca_file),
            **changes,
        }
        return settings(self.address, security=security)

    def job(self, folder: Path, topics: list[str]) -> Job:
        """A job of ann's, with a pattern for each topic."""
        destination = LocalFolder(folder / "destination")
        (folder / "password").write_text(PASSWORD)
        security = {
            "protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "username": "ann",
            "password_file": str(folder / "password"),
            "ca_file": str(self.ca_file),
        }
        write_config(
            folder / "job.toml",
            {"name": "job", "destination": destination.url},
            tuple({"pattern": topic} for topic in topics),
            {"kafka": {"bootstrap_servers": [self.address]}, "kafka.security": security},
        )
        return Job(folder / "job.toml", destination)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    _write_key_store(authority.issue_cert("127.0.0.1"), folder / "broker.pem")
    cluster = KafkaCluster(folder / "kafka")
    (node,) = cluster.nodes
    address = f"127.0.0.1:{choose_ports(1)[0]}"
    node.properties.update(
        {
            "listeners": f"{node.properties['listeners']},SECURED://{address}",
            "advertised.listeners": f"{node.properties['advertised.listeners']},SECURED://{address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.name.secured.ssl.keystore.type": "PEM",
            "listener.name.secured.ssl.keystore.location": str(folder / "broker.pem"),
            "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secured.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="{PASSWORD}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "log.retention.ms": "-1",  # records here are of any date
        }
    )
    with cluster:
        for topic in ("open", "shown", "shut"):
            create(cluster, topic)
            produce(cluster, topic, messages(3))
        create(cluster, "large")
        produce(cluster, "large", (Message(random.randbytes(2_000)) for _ in range(300)))
        for topic in ("open", "large"):
            _allow(cluster, topic, AclOperation.READ)
        _allow(cluster, "shown", AclOperation.DESCRIBE)
        yield Secured(cluster, address, folder / "ca.pem")


def _write_key_store(certificate: trustme.LeafCert, path: Path) -> None:
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(  # the only form that Kafka reads
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pkcs8 + b"".join(blob.bytes() for blob in certificate.cert_chain_pems))


def _allow(cluster: KafkaCluster, topic: str, operation: AclOperation) -> None:
    admin = admin_of(cluster)
    binding = _acl(AclBinding, topic, operation)
    admin.create_acls([binding])[binding].result(30)


def _forbid(cluster: KafkaCluster, topic: str) -> None:
    """Take READ away again."""
    admin = admin_of(cluster)
    wanted = _acl(AclBindingFilter, topic, AclOperation.READ)
    assert admin.delete_acls([wanted])[wanted].result(30)


def _acl(kind: Callable[..., Any], topic: str, operation: AclOperation) -> Any:
    pattern = ResourceType.TOPIC, topic, ResourcePatternType.LITERAL
    return kind(*pattern, "User:ann", "*", operation, AclPermissionType.ALLOW)


def _may_read(client: KafkaClient, topic: str) -> bool:
    """Whether a fetch of this user is answered."""
    if topic in read_listing(client, [topic], ()).denied:
        return False
    try:
        next(RangeReader(client).fetches(OffsetRange(topic, 0, 0, 1), topic_id_of(client, topic)))
    except AccessDenied:
        return False
    return True


@pytest.fixture
def ann(secured: Secured) -> Iterator[KafkaClient]:
    """Logged in."""
    with KafkaClient(secured.settings()) as client:
        client.connect(30_000)
        names = ["open", "large", "shown"]
        wait_until(lambda: not read_listing(client, names, ()).denied, "the ACLs to be in force")
        yield client


def everything_said(error: LoaderError) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def test_a_user_who_may_not_ask_for_log_sizes_gets_them_estimated_by_samples(ann: KafkaClient) -> None:
    listing = read_listing(ann, ["open", "large"], ())
    bounds = {name: topic.partitions[0] for name, topic in read_bounds(ann, listing, soon()).items()}
    planned = [
        PlannedPartition(OffsetRange("large", 0, 100, 300), bounds["large"], is_new=True),
        PlannedPartition(OffsetRange("open", 0, 3, 3), bounds["open"], is_new=True),
    ]

    assert read_log_sizes(ann, listing) == {}
    (sized,) = estimate_sizes(ann, listing, planned, None)

    assert sized.range == planned[0].range
    assert 2_000 * 200 < sized.estimated_bytes < 2_200 * 200


def test_a_partition_that_may_not_be_read_has_no_sample_and_spoils_none(ann: KafkaClient) -> None:
    listing = read_listing(ann, ["open", "shown"], ())

    rates = read_sample_rates(ann, listing, [OffsetRange("open", 0, 0, 3), OffsetRange("shown", 0, 0, 3)])

    assert [partition.topic for partition in rates] == ["open"]


def test_a_user_with_the_right_password_reads_what_is_allowed(ann: KafkaClient) -> None:
    bounds = read_bounds(ann, read_listing(ann, ["open"], ()), soon())["open"].partitions[0]

    fetched = next(RangeReader(ann).fetches(OffsetRange("open", 0, 0, 3), topic_id_of(ann, "open")))

    assert bounds.high_watermark == 3
    assert isinstance(fetched, FetchedRecords)
    assert b"value 0" in bytes(fetched.records)


@pytest.mark.parametrize(
    "changes", [{"sasl_plain_password": "wr0ng-s3cret"}, {"sasl_plain_username": "bob"}], ids=str
)
def test_a_wrong_login_is_denied_at_once_and_never_shown(
    secured: Secured, changes: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    with KafkaClient(secured.settings(**changes)) as client, pytest.raises(AccessDenied) as caught:
        client.connect(30_000)

    said = everything_said(caught.value) + caplog.text
    assert "Kafka refuses this user: SaslAuthenticationFailedError" in str(caught.value)
    assert "Nothing was committed. Check [kafka.security]" in str(caught.value)
    assert caught.value.exit_status == 2
    assert PASSWORD not in said
    assert "wr0ng-s3cret" not in said


def test_a_broker_of_an_authority_that_is_not_trusted_is_not_talked_to(
    secured: Secured, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))

    refused = pytest.raises(BrokerUnavailable, match=r"Check .*kafka\.security\.protocol")
    with KafkaClient(secured.settings(ssl_cafile=str(stranger))) as client, refused:
        client.connect(1_000)


def test_a_broker_that_speaks_tls_does_not_answer_plain_clients(secured: Secured) -> None:
    with KafkaClient(settings(secured.address)) as client, pytest.raises(BrokerUnavailable):
        client.connect(1_000)


def test_a_topic_that_may_not_be_seen_is_denied_and_the_others_are_listed(ann: KafkaClient) -> None:
    listing = read_listing(ann, ["open", "shut"], ())

    assert list(listing.topics) == ["open"]
    assert listing.denied == {"shut"}


def test_a_pattern_sees_only_what_the_user_may(ann: KafkaClient) -> None:
    assert sorted(read_listing(ann, (), [".*"]).topics) == ["large", "open", "shown"]


def test_a_topic_that_may_not_be_read_says_which_right_is_missing(ann: KafkaClient) -> None:
    topic_id = topic_id_of(ann, "shown")

    with pytest.raises(AccessDenied, match=r"shown: this user may not read .*Nothing of it.*Give it READ"):
        next(RangeReader(ann).fetches(OffsetRange("shown", 0, 0, 3), topic_id))


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (AclOperation.DESCRIBE, "this user may not read the topic"),
        (None, "this user may not describe the topic"),
    ],
    ids=["may-not-read", "may-not-see"],
)
def test_a_topic_that_may_no_longer_be_read_stops_while_the_others_commit(
    left: AclOperation | None, message: str, secured: Secured, tmp_path: Path
) -> None:
    topics = shut, healthy = [f"{name}-{message.split()[-3]}" for name in ("shut-later", "open-for-ever")]
    for topic in topics:
        create(secured.cluster, topic)
        produce(secured.cluster, topic, messages(5))
        _allow(secured.cluster, topic, AclOperation.READ)
    job = secured.job(tmp_path, topics)
    with KafkaClient(secured.settings()) as ann:
        ann.connect(30_000)
        wait_until(lambda: not read_listing(ann, topics, ()).denied, "the ACLs to be in force")
        job.run()
        loaded = job.records()
        for topic in topics:
            produce(secured.cluster, topic, messages(5, first=5))
        if left is not None:
            _allow(secured.cluster, shut, left)
        _forbid(secured.cluster, shut)
        wait_until(lambda: not _may_read(ann, shut), "the ACL to be gone")

    ended = job.try_run()

    assert ended.status == 2
    assert list(ended.document["failures"]) == [shut]
    (failure,) = ended.document["failures"][shut]
    assert failure["kind"] == "AccessDenied"
    assert f"{shut}: {message}" in failure["message"]
    rest = [each for each in read_by_librdkafka(secured.cluster, healthy) if each.offset >= 5]
    assert_same_records(job.records(), [*loaded, *rest])


def test_a_user_who_may_only_read_sees_topics_and_is_told_what_stays_unknown(
    secured: Secured, ann: KafkaClient, tmp_path: Path
) -> None:
    job = secured.job(tmp_path, ["open", "shown"])

    ended = kafka_loader("topics", "open|shown|shut", "--config", str(job.config), "--json")
    shut = kafka_loader("topics", "show", "shut", "--config", str(job.config))

    found = {each["topic"]: each for each in ended.document["topics"]}
    assert (ended.status, set(found)) == (0, {"open", "shown"})
    assert [(each["end_offset"], each["in_job"]) for each in found.values()] == [(3, True), (3, True)]
    assert [(each["size_bytes"], each["retention_ms"]) for each in found.values()] == [(None, None)] * 2
    sizes, configs = ended.document["notes"]
    asked = ann.address_of(1)
    assert sizes == f"sizes are unknown: this user may not ask {asked}; that needs DESCRIBE on the cluster"
    assert configs.startswith(
        "the config of open, shown is unknown: this user may not see it; that needs DESC"
    )
    assert (shut.status, shut.output) == (2, "")
    assert "shut: this user may not describe the topic" in shut.errors


@pytest.mark.usefixtures("ann")
def test_a_user_who_may_describe_no_group_sees_none(secured: Secured, tmp_path: Path) -> None:
    admin = admin_of(secured.cluster)
    request = ConsumerGroupTopicPartitions("not-anns", [TopicPartition("open", 0, 1)])
    admin.alter_consumer_group_offsets([request])["not-anns"].result(30)
    job = secured.job(tmp_path, ["open"])

    listed = kafka_loader("groups", "--config", str(job.config), "--json")
    shown = kafka_loader("groups", "show", "not-anns", "--config", str(job.config))

    assert (listed.status, listed.document["groups"]) == (0, [])
    assert shown.status == 2
    assert "not-anns: the cluster has no such group, or none that this user may describe\n" in shown.errors


def test_the_test_cluster_really_encrypts(secured: Secured) -> None:
    host, port = secured.address.split(":")

    assert ssl.get_server_certificate((host, int(port)), timeout=10).startswith("-----BEGIN CERTIFICATE")


def test_a_mirror_group_that_the_user_may_not_write_is_only_a_warning(
    secured: Secured, ann: KafkaClient, tmp_path: Path
) -> None:
    assert ann.settings  # logged in, and its ACLs are in force
    job = secured.job(tmp_path, ["open"])
    job.config.write_text(job.config.read_text().replace("[kafka]\n", '[kafka]\nmirror_group = "anns"\n'))

    report = job.run()

    assert report["row_count"] == 3
    assert report["mirror_problem"] == (
        "open: this user may not write offsets of the group: give it READ on it"
    )


def test_doctor_names_each_right_that_is_missing(secured: Secured, ann: KafkaClient, tmp_path: Path) -> None:
    assert ann.settings  # logged in, and its ACLs are in force
    job = secured.job(tmp_path, ["open", "shown"])
    named = job.config.read_text().replace("[kafka]\n", '[[topics]]\nname = "shut"\n\n[kafka]\n')
    job.config.write_text(named.replace("[kafka]\n", '[kafka]\nmirror_group = "anns"\n'))

    ended = kafka_loader("doctor", str(job.config), "--json")

    told = {(check["verdict"], check["found"]) for check in ended.document["checks"]}
    assert ended.status == 2
    assert told >= {
        ("problem", "this user may not DESCRIBE shut"),
        ("problem", "this user may not READ shown"),
        ("ok", "1 of the job can be read; partitions in all: 2"),
        ("warning", "this user may not write offsets of anns"),
    }
    assert [check["verdict"] for check in ended.document["checks"] if check["name"] == "log sizes"] == [
        "warning"
    ]
    assert PASSWORD not in ended.output + ended.errors


def test_doctor_says_that_the_login_is_refused_and_keeps_the_password_to_itself(
    secured: Secured, tmp_path: Path
) -> None:
    job = secured.job(tmp_path, ["open"])
    (tmp_path / "password").write_text("wr0ng-s3cret")

    ended = kafka_loader("doctor", str(job.config), "--json")

    (refused,) = [check for check in ended.document["checks"] if check["verdict"] == "problem"]
    assert (ended.status, refused["name"]) == (2, f"bootstrap {secured.address}")
    assert "Kafka refuses this user: SaslAuthenticationFailedError" in refused["found"]
    assert "wr0ng-s3cret" not in ended.output + ended.errors


SECRETS = ("r1ght-s3cret", "wr0ng-s3cret", "r3gistry-s3cret", "k3y-s3cret", "t0ken-s3cret", "url-s3cret")


def everything_written(*arguments: str) -> tuple[int, str]:
    """The status of a command, and all that it wrote, to either output."""
    ended = kafka_loader(*arguments)
    return ended.status, ended.output + ended.errors


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_command_writes_a_secret_whether_it_succeeds_or_fails(
    log_format: str, secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    topic = f"told-{log_format}"
    create(secured.cluster, topic)
    produce(secured.cluster, topic, messages(5))
    _allow(secured.cluster, topic, AclOperation.READ)
    job = secured.job(tmp_path, [topic])
    with KafkaClient(secured.settings()) as ann:
        ann.connect(30_000)
        wait_until(lambda: not read_listing(ann, [topic], ()).denied, "the ACL to be in force")
    good, config = job.config.read_text(), str(job.config)
    logged = ("--log-format", log_format)
    written: list[str] = []

    def commands(changed: str, *expected: int) -> None:
        """Each command on a job file, and how each is to end."""
        job.config.write_text(changed)
        asked = [("plan", config), ("run", config, "--processes", "1", *logged), ("status", config)]
        asked += [("quarantine", "replay", config, *logged), ("run", config, "--json", *logged)]
        ended = [everything_written(*arguments) for arguments in asked]
        assert [status for status, _ in ended] == list(expected), ended
        written.extend(said for _, said in ended)

    commands(good, 0, 0, 0, 0, 0)
    (tmp_path / "wrong").write_text("wr0ng-s3cret")
    commands(good.replace(str(tmp_path / "password"), str(tmp_path / "wrong")), 2, 2, 2, 0, 2)
    # A registry that no one answers for, with a login; its topic has records that wait.
    (tmp_path / "registry").write_text("r3gistry-s3cret")
    produce(secured.cluster, topic, messages(5))
    (port,) = choose_ports(1)
    typed = good.replace(f'pattern = "{topic}"', f'name = "{topic}"\nvalue = {{ format = "avro" }}')
    away = f'\n[registry]\nurl = "http://127.0.0.1:{port}"\ngive_up_after_s = 0.2\nusername = "ann"\n'
    commands(f'{typed}{away}password_file = "{tmp_path}/registry"\n', 3, 3, 0, 0, 3)
    # A secret in the wrong place: in a URL, among the servers, as a key of its own, or where a file is named.
    in_url = away.replace("http://", "http://ann:url-s3cret@").replace('username = "ann"\n', "")
    commands(typed + in_url, 2, 2, 2, 2, 2)
    commands(good.replace('"127.0.0.1:', '"ann:url-s3cret@127.0.0.1:'), 2, 2, 2, 2, 2)
    commands(good.replace('username = "ann"', 'username = "ann"\npassword = "k3y-s3cret"'), 2, 2, 2, 2, 2)

    job.config.write_text(good.replace("file:///", "file://ann:url-s3cret@host/"))
    written.append(everything_written("run", config, *logged)[1])
    written.append(everything_written("infer", topic, "--bootstrap-servers", "ann:url-s3cret@host:9092")[1])
    for secret in SECRETS:
        for said in [*written, caplog.text]:
            assert secret not in said, said
    assert all(path.suffix != ".json" or _is_free(path.read_text()) for path in tmp_path.rglob("*"))


def _is_free(document: str) -> bool:
    return not any(secret in document for secret in SECRETS)


def test_who_may_not_produce_is_told_so_and_who_may_does_with_or_without_idempotence(
    secured: Secured, tmp_path: Path
) -> None:
    create(secured.cluster, "written")
    (tmp_path / "lines.txt").write_bytes(b"1\n2\n")
    config = str(secured.job(tmp_path, ["open"]).config)

    def produced(topic: str, *options: str) -> Ended:
        return kafka_loader("produce", topic, str(tmp_path / "lines.txt"), "-c", config, *options)

    denied = [produced("open"), produced("open", "--no-idempotence")]
    _allow(secured.cluster, "written", AclOperation.WRITE)
    wait_until(lambda: produced("written").status == 0, "the permission to be known")
    written = produced("written", "--no-idempotence")
    denied.append(produced("open"))

    for ended in denied:
        assert ended.status == 2, ended.errors
        assert "open: line 1 of " in ended.errors
        assert "Kafka refuses this user" in ended.errors
        assert "WRITE on the topic is needed" in ended.errors
        assert PASSWORD not in ended.errors
    assert written.status == 0, written.errors
    assert [each.value for each in read_by_librdkafka(secured.cluster, "open")] == [
        each.value for each in messages(3)
    ]
    assert [each.value for each in read_by_librdkafka(secured.cluster, "written")] == [b"1", b"2"] * 2
