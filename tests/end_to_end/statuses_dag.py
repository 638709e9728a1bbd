"""A DAG of stand-ins: one task for each way in which a command can end."""

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG

from loader.airflow import CompleteSensor, KafkaLoaderOperator

STAND_IN = os.environ["STAND_IN"]
CONFIG = "/etc/{{ dag.dag_id }}.toml"
ENDS = ("0", "1", "2", "3", "4", "5", "130", "3-then-0", "killed", "silent-4", "is-told-to-end")


class Impatient(KafkaLoaderOperator):
    """Does not wait long for a command that does not hear."""

    end_within_s = 0.2


with DAG(
    "statuses",
    schedule=None,
    start_date=datetime(2024, 1, 1),
    default_args={
        "env": {"ATTEMPT": "{{ ti.try_number }}"},
        "retries": 1,
        "retry_delay": timedelta(0),
    },
):
    for end in ENDS:
        KafkaLoaderOperator(task_id=end, config=CONFIG, command=f"{STAND_IN} {end}")
    KafkaLoaderOperator(
        task_id="takes-too-long",
        config=CONFIG,
        command=f"{STAND_IN} takes-too-long",
        execution_timeout=timedelta(minutes=5),
    )
    Impatient(
        task_id="is-deaf",
        config=CONFIG,
        command=f"{STAND_IN} is-deaf",
        execution_timeout=timedelta(minutes=5),
    )
    KafkaLoaderOperator.partial(task_id="mapped", command=f"{STAND_IN} 0").expand(config=["a.toml", "b.toml"])
    KafkaLoaderOperator(task_id="not-there", config=CONFIG, command="/not/there/kafka-loader run")
    CompleteSensor(
        task_id="complete-at-the-second-look",
        config=CONFIG,
        topic="orders",
        command=f"{STAND_IN} complete-at-the-second-look",
        poke_interval=0.1,
    )
    CompleteSensor(task_id="never-complete", config=CONFIG, command=f"{STAND_IN} 3", timeout=0.0, retries=0)
    CompleteSensor(task_id="cannot-be-told", config=CONFIG, command=f"{STAND_IN} 2")
