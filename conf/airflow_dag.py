"""Loads several jobs every hour, waits until the hour is complete, and works on it.

Copy this file to Airflow's folder of DAGs. Airflow's own environment needs only this package, as from `pip
install --no-deps`; the command may have an environment of its own, as here in /opt/kafka-loader. No pool and
no `max_active_runs=1` is needed: of two runs of a job at once, one commits, the other succeeds with nothing.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from loader.airflow import CompleteSensor, KafkaLoaderOperator

COMMAND = "/opt/kafka-loader/bin/kafka-loader"
JOBS = ("orders", "payments")  # each a file /etc/kafka-loader/<job>.toml


@dag(
    schedule="5 * * * *",  # five minutes late, for records that reach Kafka a little after they were made
    start_date=datetime(2024, 1, 1),
    catchup=False,  # a late run loads all that earlier ones would have
    default_args={
        "retries": 5,  # of status 3, run again later; 2 and 4 fail at once
        "retry_delay": timedelta(minutes=2),
        # "env": {"KAFKA_PASSWORD": "{{ conn.kafka.password }}"},  # a secret that a job file takes from there
    },
)
def kafka_to_parquet() -> None:
    """One task loads each job; what works on orders waits for orders only."""
    loads = {
        job: KafkaLoaderOperator(
            task_id=f"load_{job}",
            config=f"/etc/kafka-loader/{job}.toml",
            command=f"{COMMAND} run --engine local",
        )
        for job in JOBS
    }

    hour_is_complete = CompleteSensor(
        task_id="orders_of_the_hour_are_complete",
        config="/etc/kafka-loader/orders.toml",
        topic="orders",
        command=f"{COMMAND} complete",
        timeout=timedelta(hours=2),  # of waiting, over all looks; a later run of this DAG may load what lacks
    )

    @task
    def count_orders_of_the_hour(dag_run: Any = None) -> int:
        """Any query over Parquet; here DuckDB, where Airflow's environment has it."""
        import duckdb

        hour = dag_run.run_after - timedelta(hours=1)
        files = "read_parquet('/srv/kafka/orders/*/*/*.parquet', hive_partitioning = true)"
        found = duckdb.execute(
            f"SELECT count(*) FROM {files} WHERE dt = '{hour:%Y-%m-%d}' AND hour = {hour.hour}"  # noqa: S608
        ).fetchone()
        return found[0] if found else 0

    loads["orders"] >> hour_is_complete >> count_orders_of_the_hour()


kafka_to_parquet()
