"""Airflow tasks that start `kafka-loader`, and tell Airflow what came of it.

    KafkaLoaderOperator   loads one job file
    CompleteSensor        waits until what was produced before some moment is loaded

They start the command as a process of its own and import nothing else of the loader: it may live in another
virtual environment, with other versions of what Airflow needs, too. Airflow's own then needs this package
without what it depends on: `pip install --no-deps kafka-hadoop-loader`.

    status        Airflow
    0, 5          success: 5 is a run that another run was faster than
    2, 4          failed at once, whatever `retries` says: a person is needed
    else          retried, as `retries` says: 3 is made for that. Of anything unforeseen, also of a bug, a
                  retry can do no harm, for what is not committed is not visible
"""

from loader.airflow.complete import CompleteSensor
from loader.airflow.run import KafkaLoaderOperator

__all__ = ["CompleteSensor", "KafkaLoaderOperator"]
