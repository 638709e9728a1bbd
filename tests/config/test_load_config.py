from pathlib import Path

import pytest

from loader.config.job import JobConfig
from loader.config.load import load_config
from loader.config.starts import AtOffsets, AtTimestamp, Earliest, Latest
from loader.config.times import FieldTime, LoadTime, RecordTime, Time
from loader.errors import ConfigError

SMALLEST = """
[job]
name = "j"
destination = "file:///data"
[kafka]
bootstrap_servers = ["k:9092"]
"""
TOPICS = '[[topics]]\nname = "orders"\n'
ORDERS = SMALLEST + TOPICS


def load(folder: Path, text: str | bytes) -> JobConfig:
    path = folder / "job.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path)


def problems(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(folder, text)
    assert refused.value.exit_status == 2
    assert refused.value.source == str(folder / "job.toml")
    return list(refused.value.problems)


def with_security(text: str) -> str:
    return SMALLEST + "[kafka.security]\n" + text + "\n" + TOPICS


def test_the_smallest_job_has_defaults_for_the_rest(tmp_path: Path) -> None:
    config = load(tmp_path, ORDERS)

    assert config.job.name == "j"
    assert config.kafka.bootstrap_servers == ("k:9092",)
    assert config.kafka.isolation == "read_committed"
    assert config.kafka.stall_timeout_s == 120
    assert config.kafka.security.protocol == "PLAINTEXT"
    assert config.topics[0].start == Earliest()
    assert config.fetch.max_wait_ms == 500
    assert config.plan.target_split_bytes == config.write.target_file_bytes == 256 * 1024**2
    assert (config.limits.max_bytes, config.limits.max_records) == (None, None)
    assert (config.write.partition_by, config.write.compression) == ("hour", "zstd")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + ORDERS.encode()).job.name == "j"


def test_a_seconds_limit_may_be_a_whole_number(tmp_path: Path) -> None:
    assert (
        load(tmp_path, ORDERS.replace("[kafka]", "[kafka]\nstall_timeout_s = 60")).kafka.stall_timeout_s
        == 60.0
    )


# Files that cannot be read


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file$"):
        load_config(tmp_path / "none.toml")


def test_a_folder_is_not_a_job(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; name the job file in it"):
        load_config(tmp_path)


def test_a_file_that_may_not_be_read_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(ConfigError, match=r"job\.toml: permission denied$"):
        load_config(tmp_path / "job.toml")


def test_bytes_that_are_not_utf8_are_told_by_their_line(tmp_path: Path) -> None:
    assert problems(tmp_path, b'[job]\nname = "caf\xe9"\n') == ["not UTF-8 (line 2); save the file as UTF-8"]


def test_broken_toml_is_told_by_line_and_column(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, ORDERS + "[fetch\n")

    assert problem.startswith("not valid TOML: ")
    assert "line 9, column 7" in problem


def test_an_empty_file_lacks_its_tables(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == [
        "job: required table is missing",
        "kafka: required table is missing",
        "topics: required table is missing",
    ]


# Unknown keys


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[fetch]\nmax_wait = 1", "fetch.max_wait: unknown key; did you mean fetch.max_wait_ms?"),
        ("[fetch]\nmaxbytes = 1", "fetch.maxbytes: unknown key; did you mean fetch.max_bytes?"),
        ("[fetch]\nmax_records = 1", "fetch.max_records: unknown key; it belongs to limits.max_records"),
        (
            "[fetch]\nusername = 1",
            "fetch.username: unknown key; it belongs to kafka.security.username or registry.username",
        ),
        ("[fecth]\nx = 1", "fecth: unknown key; did you mean fetch?"),
        ("[security]\nx = 1", "security: unknown key; it belongs to kafka.security"),
        (
            "[plan]\ntarget_file_byte = 1",
            "plan.target_file_byte: unknown key; did you mean write.target_file_bytes?",
        ),
        (
            "[plan]\nmax_bytes = 1",
            "plan.max_bytes: unknown key; it belongs to fetch.max_bytes or limits.max_bytes",
        ),
        ("[plan]\nzzz = 1", "plan.zzz: unknown key; known here: target_split_bytes"),
    ],
)
def test_an_unknown_key_names_the_one_that_was_meant(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, ORDERS + text) == [problem]


def test_an_unknown_key_of_a_topic_is_told_by_the_topic(tmp_path: Path) -> None:
    text = ORDERS + '[[topics]]\nname = "clicks"\nstrat = "latest"\n[[topics]]\nstart = "latest"'

    assert problems(tmp_path, text) == [
        "topics[clicks].strat: unknown key; did you mean topics.start?",
        "topics[#3]: needs a name or a pattern",
    ]


def test_a_misspelt_required_key_is_one_problem_not_two(tmp_path: Path) -> None:
    assert problems(tmp_path, ORDERS.replace('name = "j"', 'nmae = "j"')) == [
        "job.nmae: unknown key; did you mean job.name?"
    ]


# Wrong values


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[fetch]\nmax_bytes = "16 MiB"', 'fetch.max_bytes: must be an integer, found the string "16 MiB"'),
        ("[fetch]\nmax_wait_ms = 1.5", "fetch.max_wait_ms: must be an integer, found the number 1.5"),
        ("[fetch]\nmax_wait_ms = true", "fetch.max_wait_ms: must be an integer, found true"),
        ("[fetch]\nmax_wait_ms = 2026-01-01", "fetch.max_wait_ms: must be an integer, found a date or time"),
        ("[fetch]\nmax_wait_ms = -1", "fetch.max_wait_ms: must be at least 0, found the integer -1"),
        (
            "[fetch]\nmax_bytes = 67108865",
            "fetch.max_bytes: must be at most 67108864, found the integer 67108865",
        ),
        ("[limits]\nmax_records = 0", "limits.max_records: must be at least 1, found the integer 0"),
        (
            '[write]\npartition_by = "hourly"',
            "write.partition_by: must be 'hour', 'day' or 'none', found the string \"hourly\"",
        ),
        ("[[write]]", "write: must be a table, found a list"),
    ],
)
def test_a_wrong_value_tells_what_was_found(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, ORDERS + text) == [problem]


@pytest.mark.parametrize(
    ("servers", "problem"),
    [
        ('"k:9092"', 'must be a list, found the string "k:9092"'),
        ('"u:secret@k:9092"', "must be a list, found a string"),
        ("[]", "must not be empty"),
        ("[9092]", "must be a string, found the integer 9092"),
        ('["k"]', "'k' must be host:port, for example kafka1.example.com:9092"),
        ('["k:0"]', "'k:0': the port must be a number from 1 to 65535"),
        ('["k:http"]', "'k:http': the port must be a number from 1 to 65535"),
        ('["k:9092,l:9092"]', "'k:9092,l:9092' must be host:port, for example kafka1.example.com:9092"),
        ('["http://k:9092"]', "'http://k:9092' must be host:port, for example kafka1.example.com:9092"),
        ('["u:secret@k:9092"]', "must be host:port and nothing else; a login belongs into [kafka.security]"),
        ('["::1:9092"]', "'::1:9092' must be host:port, for example kafka1.example.com:9092"),
    ],
)
def test_brokers_are_hosts_with_ports(tmp_path: Path, servers: str, problem: str) -> None:
    text = ORDERS.replace('["k:9092"]', servers)

    assert problems(tmp_path, text) == [f"kafka.bootstrap_servers: {problem}"]


def test_an_ipv6_broker_stands_in_brackets(tmp_path: Path) -> None:
    config = load(tmp_path, ORDERS.replace('"k:9092"', '"[::1]:9092"'))

    assert config.kafka.bootstrap_servers == ("[::1]:9092",)


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "a b", "é", "a\\n", "x" * 101])
def test_a_job_name_is_safe_in_a_path(tmp_path: Path, name: str) -> None:
    [problem] = problems(tmp_path, ORDERS.replace('"j"', f'"{name}"'))

    assert problem.startswith("job.name: must ")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (
            "/data/x",
            "'/data/x' has no scheme; write file:///data/x for a local folder, or hdfs://host:port/folder",
        ),
        (
            "data",
            "'data' has no scheme; write file:///data/kafka for a local folder, or hdfs://host:port/folder",
        ),
        ("file://data/x", "'file://data/x' names a host; a local folder has three slashes: file:///data/x"),
        ("hdfs:///data", "'hdfs:///data' names no NameNode or name service: hdfs://host:port/folder"),
        ("s3://bucket/x", "'s3://bucket/x': scheme must be file or hdfs, found s3"),
        ("file:///", "'file:///' must name a folder below the root, without empty parts, '.' or '..'"),
        (
            "file:///a/../b",
            "'file:///a/../b' must name a folder below the root, without empty parts, '.' or '..'",
        ),
        ("file://u:secret@host/x", "must be scheme, host and folder only, without user, '?' or '#'"),
        ("s3://u:secret@bucket/x", "must be scheme, host and folder only, without user, '?' or '#'"),
        ("hdfs://u:secret@nn/x", "must be scheme, host and folder only, without user, '?' or '#'"),
    ],
)
def test_a_destination_leaves_nothing_to_guess(tmp_path: Path, url: str, problem: str) -> None:
    assert problems(tmp_path, ORDERS.replace("file:///data", url)) == [f"job.destination: {problem}"]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("file:///data/", "file:///data"),
        ("hdfs://nn:8020/a/b//", "hdfs://nn:8020/a/b"),
        ("HDFS://nn/a", "hdfs://nn/a"),
    ],
)
def test_a_destination_has_one_spelling(tmp_path: Path, url: str, kept: str) -> None:
    assert load(tmp_path, ORDERS.replace("file:///data", url)).job.destination == kept


# Keys that cannot stand together


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[fetch]\nmax_wait_ms = 40000",
            "kafka.request_timeout_ms (30000) must exceed fetch.max_wait_ms (40000),"
            " or quiet fetches all time out",
        ),
        (
            '[write]\ncompression = "gzip"\ncompression_level = 10',
            "write: compression_level (10) must be 1 to 9 for compression gzip",
        ),
        (
            '[write]\ncompression = "snappy"\ncompression_level = 1',
            "write: compression snappy has no levels; remove compression_level",
        ),
        (
            "[write]\ntarget_file_bytes = 1048576\nrow_group_bytes = 2097152",
            "write: row_group_bytes (2097152) must not exceed target_file_bytes (1048576),"
            " or every file is larger than asked for",
        ),
        ('[[topics]]\nname = "orders"', 'topics: entries 1 and 2 both have name "orders"; keep one'),
        (
            '[[topics]]\nname = "a"\npattern = "b"',
            "topics[a]: has a name and a pattern; write two [[topics]] entries",
        ),
        (
            '[[topics]]\npattern = "b"\nstart = { offsets = { 0 = 1 } }',
            "topics[b]: start.offsets needs a name: offsets of one topic mean nothing in another",
        ),
        (
            '[[topics]]\nname = "a"\ntime = { field = "at" }\nvalue = { format = "string" }',
            "topics[a]: time.field (at) needs a value with fields: its format is string",
        ),
        (
            '[[topics]]\nname = "a"\ntime = "load"\nabsurd_times = "quarantine"',
            'topics[a]: absurd_times = "quarantine" has nothing to judge: with time = "load" every row has'
            " the time of its run",
        ),
        (
            '[[topics]]\nname = "a"\noldest_days = 30',
            'topics[a]: oldest_days bounds nothing while absurd_times is "keep": write "quarantine" or'
            ' "load_time"',
        ),
    ],
)
def test_keys_that_contradict_each_other_are_told_with_their_values(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, ORDERS + text) == [problem]


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("", RecordTime()),
        ('time = "record"', RecordTime()),
        ('time = "load"', LoadTime()),
        ('time = { field = "at" }\nvalue = { format = "json", columns = { at = "date" } }', FieldTime("at")),
    ],
)
def test_a_topic_lies_in_folders_by_one_of_three_times(tmp_path: Path, written: str, time: Time) -> None:
    [topic] = load(tmp_path, ORDERS + written).topics

    assert topic.time == time
    assert (topic.absurd_times, topic.oldest_days, topic.future_minutes) == ("keep", 365, 60)


@pytest.mark.parametrize("written", ['"now"', "{}", '{ field = "" }', "{ field = 1 }", "1"])
def test_any_other_time_is_refused_by_what_there_is(tmp_path: Path, written: str) -> None:
    [problem] = problems(tmp_path, ORDERS + f"time = {written}")

    assert problem.startswith('topics[orders].time: must be "record", "load" or { field = "ordered_at" }')


def test_a_stall_is_not_found_before_a_request_is_given_up(tmp_path: Path) -> None:
    text = ORDERS.replace("[kafka]", "[kafka]\nstall_timeout_s = 10")

    assert problems(tmp_path, text) == [
        "kafka: stall_timeout_s (10) must be at least request_timeout_ms (30000),"
        " or one lost request fails the task"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('protocol = "SASL_SSL"', "protocol SASL_SSL needs sasl_mechanism"),
        (
            'username = "u"\npassword_env = "P"',
            "protocol PLAINTEXT logs nobody in, so username and password_env would not be used;"
            " set protocol to SASL_SSL or SASL_PLAINTEXT",
        ),
        (
            'protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\npassword_env = "P"',
            "sasl_mechanism PLAIN needs username",
        ),
        (
            'protocol = "SASL_SSL"\nsasl_mechanism = "SCRAM-SHA-256"\nusername = "u"',
            "sasl_mechanism SCRAM-SHA-256 needs password_file or password_env",
        ),
        (
            'protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\nusername = "u"\n'
            'password_env = "P"\npassword_file = "f"',
            "has password_file and password_env; keep one",
        ),
        (
            'protocol = "SASL_SSL"\nsasl_mechanism = "GSSAPI"\nusername = "u"',
            "GSSAPI logs in by the Kerberos ticket of the user; remove username",
        ),
        (
            'ca_file = "ca.pem"',
            "protocol PLAINTEXT does not encrypt, so ca_file would not be used; set protocol to SSL",
        ),
        (
            "check_hostname = false",
            "protocol PLAINTEXT does not encrypt, so check_hostname would not be used; set protocol to SSL",
        ),
        ('protocol = "SSL"\nkey_file = "k.pem"', "key_file needs certificate_file"),
        (
            'protocol = "SSL"\ncertificate_file = "c"\nkey_password_file = "f"\nkey_password_env = "E"',
            "has key_password_file and key_password_env; keep one",
        ),
    ],
)
def test_security_keys_without_a_use_or_a_partner_are_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(tmp_path, with_security(text)) == [f"kafka.security: {problem}"]


@pytest.mark.parametrize(
    "text",
    [
        'protocol = "SSL"',
        'protocol = "SSL"\ncertificate_file = "both.pem"',
        'protocol = "SSL"\ncheck_hostname = false\nca_file = "ca.pem"',
        'protocol = "SASL_PLAINTEXT"\nsasl_mechanism = "PLAIN"\nusername = "u"\npassword_file = "f"',
        'protocol = "SASL_SSL"\nsasl_mechanism = "GSSAPI"\nkerberos_service_name = "broker"',
    ],
)
def test_security_that_fits_together_is_accepted(tmp_path: Path, text: str) -> None:
    load(tmp_path, with_security(text))


@pytest.mark.parametrize("key", ["password", "key_password"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    [problem] = problems(tmp_path, with_security(f'{key} = "hunter2"'))

    assert problem == (
        f"kafka.security.{key}: a secret does not belong in this file;"
        f" use {key}_file or {key}_env, which say where to find it"
    )


@pytest.mark.parametrize("value", ['"hunter2!"', "12345"])
def test_a_secret_in_place_of_a_variable_is_not_repeated(tmp_path: Path, value: str) -> None:
    [problem] = problems(tmp_path, with_security(f"password_env = {value}"))

    assert problem.startswith("kafka.security.password_env: must be ")
    assert value.strip('"') not in problem


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = """
        colour = "red"
        [job]
        nmae = "x"
        destination = "/data"
        [kafka]
        bootstrap_servers = ["k"]
        request_timeout_ms = 3000
        [fetch]
        max_wait_ms = 3000
        max_bytes = "1"
        [write]
        compression = "snappy"
        compression_level = 1
        [[topics]]
        name = "a"
        [[topics]]
        name = "a"
        [[topics]]
        pattern = "("
    """
    assert problems(tmp_path, text) == [
        "job.destination: '/data' has no scheme; write file:///data for a local folder, or hdfs://host:port/folder",
        "job.nmae: unknown key; did you mean job.name?",
        "kafka.bootstrap_servers: 'k' must be host:port, for example kafka1.example.com:9092",
        "topics[(].pattern: '(' is not a regular expression:"
        " missing ), unterminated subpattern at position 0",
        'fetch.max_bytes: must be an integer, found the string "1"',
        "write: compression snappy has no levels; remove compression_level",
        "colour: unknown key; known here: fetch, job, kafka, limits, plan, registry, topics, write",
        "kafka.request_timeout_ms (3000) must exceed fetch.max_wait_ms (3000), or quiet fetches all time out",
        'topics: entries 1 and 2 both have name "a"; keep one',
    ]


def test_a_conflict_with_a_key_that_is_wrong_itself_is_not_told(tmp_path: Path) -> None:
    text = ORDERS.replace("[kafka]", "[kafka]\nrequest_timeout_ms = 600").replace(
        TOPICS, "[fetch]\nmax_wait_ms = 50000\n" + TOPICS
    )

    assert problems(tmp_path, text) == [
        "kafka.request_timeout_ms: must be at least 1000, found the integer 600"
    ]


# Topics


@pytest.mark.parametrize(
    ("start", "parsed"),
    [
        ('"earliest"', Earliest()),
        ('"latest"', Latest()),
        ("{ timestamp = 1970-01-01T00:00:01.5Z }", AtTimestamp(1500)),
        ("{ timestamp = 1970-01-01T01:00:00+01:00, or_latest = true }", AtTimestamp(0, or_latest=True)),
        ('{ offsets = { "0" = 12, 1 = 0 } }', AtOffsets({0: 12, 1: 0})),
    ],
)
def test_a_start_is_one_of_four(tmp_path: Path, start: str, parsed: object) -> None:
    assert load(tmp_path, f"{ORDERS}start = {start}").topics[0].start == parsed


CHOICES = 'must be "earliest", "latest", { timestamp = 2026-11-01T00:00:00Z } or { offsets = { "0" = 12 } }'


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ('"first"', CHOICES),
        ("12", CHOICES),
        ("{ offset = 12 }", CHOICES),
        (
            '{ timestamp = "2026-11-01T00:00:00Z" }',
            "timestamp must be a date-time without quotes, like 2026-11-01T00:00:00Z",
        ),
        (
            "{ timestamp = 1700000000 }",
            "timestamp must be a date-time without quotes, like 2026-11-01T00:00:00Z",
        ),
        (
            "{ timestamp = 2026-11-01T08:00:00 }",
            "timestamp 2026-11-01T08:00:00 needs a zone: 2026-11-01T08:00:00Z for UTC",
        ),
        ("{ timestamp = 2026-11-01 }", "timestamp 2026-11-01 needs a time and a zone: 2026-11-01T00:00:00Z"),
        (
            "{ timestamp = 1969-12-31T23:59:59Z }",
            "timestamp 1969-12-31T23:59:59+00:00 is before 1970; Kafka has no records so old",
        ),
        ("{ timestamp = 2026-11-01T00:00:00Z, or_latest = 1 }", "or_latest must be true or false"),
        ("{ timestamp = 2026-11-01T00:00:00Z, x = 1 }", "beside timestamp only or_latest may stand, found x"),
        ("{ offsets = {} }", 'offsets must be a table of partition = offset, like { "0" = 12, "1" = 0 }'),
        ("{ offsets = 3 }", 'offsets must be a table of partition = offset, like { "0" = 12, "1" = 0 }'),
        ("{ offsets = { x = 1 } }", "'x' is not the number of a partition"),
        ("{ offsets = { 0 = -1 } }", "the offset of partition 0 must be an integer from 0, found -1"),
        ("{ offsets = { 0 = 1, 00 = 2 } }", "partition 0 is named twice"),
    ],
)
def test_a_start_that_is_unclear_is_refused(tmp_path: Path, start: str, problem: str) -> None:
    assert problems(tmp_path, f"{ORDERS}start = {start}") == [f"topics[orders].start: {problem}"]


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a*", "x" * 250])
def test_a_name_that_kafka_does_not_allow_is_refused(tmp_path: Path, name: str) -> None:
    [problem] = problems(tmp_path, f'{SMALLEST}[[topics]]\nname = "{name}"')

    assert "cannot be the name of a topic" in problem


def test_one_bracket_for_topics_is_explained(tmp_path: Path) -> None:
    assert problems(tmp_path, SMALLEST + '[topics]\nname = "orders"') == [
        "topics: must be a list of tables: write [[topics]], with two brackets"
    ]


def test_a_topic_is_loaded_by_its_name_before_any_pattern(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        SMALLEST
        + "".join(f"[[topics]]\n{key}\n" for key in ('pattern = "a.*"', 'pattern = "a.c"', 'name = "abc"')),
    )

    assert config.topic_config("abc") == config.topics[2]
    assert config.topic_config("axc") == config.topics[0]
    assert config.topic_config("xaxc") is None, "a pattern matches the whole name"
