"""What the pages show and test_documentation.py does not run: the test that does, or why none can."""

BLOCKS_ELSEWHERE = {
    (
        "docs/query.md",
        "bash",
    ): "end_to_end/test_query.py::test_every_block_of_the_page_runs_and_gives_what_it_tells",
    ("docs/query.md", "python"): (
        "end_to_end/test_query.py::test_every_block_of_the_page_runs_and_gives_what_it_tells"
    ),
    (
        "docs/offsets-table.md",
        "sql",
    ): "end_to_end/test_offsets_queries.py::test_every_query_of_the_document_has_a_test",
    ("docs/monitoring.md", "yaml"): (
        "end_to_end/test_metrics.py::test_the_alert_rules_of_the_docs_are_rules_and_ask_for_metrics_that_there_are"
    ),
}
"""All blocks of a language of a page."""

SPARK_SUBMIT = (
    "end_to_end/test_spark_faults.py"
    "::test_of_submits_that_overlap_one_commits_and_those_that_slept_leave_nothing"
)
DEMO = "no test: downloads, and takes minutes; it checks itself that each record is there once"
NO_INDEX = "no test: installs from a package index"
NO_SYSTEMD = (
    "systemd is not running where tests are; the units:"
    " end_to_end/test_scheduling.py::test_systemd_finds_nothing_wrong_with_the_units,"
    " end_to_end/test_scheduling.py::test_a_timer_starts_the_service_of_its_name_and_is_what_gets_enabled"
)

RUN_ELSEWHERE = {
    "git clone <this repository> kafka-hadoop-loader && cd kafka-hadoop-loader": (
        "no test: where the repository lies is its reader's"
    ),
    "scripts/demo": DEMO,
    "scripts/demo --hdfs": DEMO,
    "source .venv/bin/activate": "no test: scripts/environment does it before each test",
    "spark-submit jobs/load.py orders.toml": SPARK_SUBMIT,
    "spark-submit --master yarn --num-executors 8 --executor-cores 2 jobs/load.py orders.toml": (
        f"there is no YARN; by a master of this machine: {SPARK_SUBMIT}"
    ),
    "spark-submit --master yarn /opt/kafka-loader/jobs/load.py": (
        f"there is no YARN; by a master of this machine: {SPARK_SUBMIT}"
    ),
    "scripts/test": "no test: it is what runs this test",
    "scripts/test tests/records -k crc": "no test: it is what runs this test",
    "scripts/services up kafka hdfs": (
        "the same servers, left and found again by another process:"
        " services/test_kafka.py::test_another_object_over_the_same_folder_finds_and_stops_the_server"
    ),
    "scripts/bench": (
        "its turns: benchmark/test_turns.py"
        "::test_every_client_and_the_loader_write_what_an_independent_client_reads"
    ),
    "scripts/screenshots": (
        "what it made:"
        " end_to_end/test_report.py::test_the_pictures_of_the_docs_are_small_and_name_nothing_of_a_machine"
    ),
    "scripts/soak": "no test: it is a test, of half an hour",
    "lint-imports": "no test: scripts/test runs it before the tests",
    "pip install 'kafka-hadoop-loader[formats]'": NO_INDEX,
    "pip install 'kafka-hadoop-loader[metrics]'": NO_INDEX,
    "pip install 'kafka-hadoop-loader[query]'": NO_INDEX,
    "pip install 'kafka-hadoop-loader[report]'": NO_INDEX,
    "pip install --no-deps .": (
        "what it is for: end_to_end/test_airflow.py::test_airflow_needs_nothing_else_of_the_loader"
    ),
    "python3 -m venv /opt/kafka-loader && /opt/kafka-loader/bin/pip install .": NO_INDEX,
    "protoc --include_imports --descriptor_set_out": (
        "formats/protobuf/test_protobuf.py"
        "::test_messages_are_read_as_by_google_in_any_order_twice_in_pieces_and_merged"
    ),
    "useradd --system --home-dir / --shell /usr/sbin/nologin kafka-loader": (
        "no test: makes a user of the machine"
    ),
    "install --directory --owner kafka-loader /srv/kafka": "no test: needs the user that useradd made",
    "cp conf/kafka-loader@.service conf/kafka-loader@.timer /etc/systemd/system/": NO_SYSTEMD,
    "systemctl daemon-reload": NO_SYSTEMD,
    "systemctl enable --now kafka-loader@orders.timer": NO_SYSTEMD,
    "systemctl list-timers 'kafka-loader@*'": NO_SYSTEMD,
    "systemctl start kafka-loader@orders": NO_SYSTEMD,
    "systemctl stop": NO_SYSTEMD,
    "systemctl list-units --failed 'kafka-loader@*'": NO_SYSTEMD,
    "systemctl edit kafka-loader@.service": NO_SYSTEMD,
    "journalctl -u kafka-loader@orders -n 50": NO_SYSTEMD,
}
"""Commands by what runs them."""

OPTIONS_OF_OTHERS = {
    "--collector.textfile.directory": "the node exporter",
    "--seed": "scripts/soak",
}
"""Options that pages speak of and kafka-loader does not have."""
