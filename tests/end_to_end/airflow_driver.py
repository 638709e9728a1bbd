"""Runs DAGs by the real Airflow, in a process of its own: importing Airflow changes logging, and more.

    python airflow_driver.py RUN_AFTER DAG_ID…

The environment says where AIRFLOW_HOME and the DAGs are. The last line of its output is a JSON document: the
problems of the import, what it imported of the loader, and how each task ended.
"""

import json
import os
import sys
from datetime import datetime
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.utils.db import upgradedb
from airflow.utils.session import create_session
from sqlalchemy import select


def main(run_after: str, *dag_ids: str) -> None:
    """Make the database, import, run, print."""
    upgradedb()
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    moment = datetime.fromisoformat(run_after)
    runs = {}
    for dag_id in dag_ids if not bag.import_errors else ():
        runs[dag_id] = _outcome(bag.dags[dag_id].test(run_after=moment, logical_date=moment))
    document = {
        "import_errors": bag.import_errors,
        "dag_ids": sorted(bag.dags),
        "rooms": sorted(name for name in sys.modules if name.startswith("loader")),
        "runs": runs,
    }
    print("\n" + json.dumps(document))


def _outcome(ended: Any) -> dict[str, Any]:
    with create_session() as session:
        query = select(XComModel.task_id, XComModel.value).where(
            XComModel.dag_id == ended.dag_id, XComModel.key == "return_value"
        )
        xcoms = {row.task_id: row.value for row in session.execute(query)}
        tasks = ended.get_task_instances(session=session)
        return {
            "run_id": ended.run_id,
            "state": ended.state,
            "tasks": {
                _name(task): {"state": task.state, "tries": task.try_number, "xcom": xcoms.get(task.task_id)}
                for task in tasks
            },
        }


def _name(task: Any) -> str:
    return task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"


main(*sys.argv[1:])
