"""The operator that loads a job."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from loader.airflow.command import DONE, SUPERSEDED, RunsCommand


class KafkaLoaderOperator(RunsCommand, BaseOperator):
    """Loads what is new in the topics of one job file, once. Retries and overlapping runs are safe.

    config   the job file, as the worker sees it
    command  what loads it, as words of a shell, though none is started: with its whole path where the PATH of
             workers lacks it; or by Spark: `spark-submit --master yarn /opt/kafka-loader/jobs/load.py`
    env      on top of the worker's environment: secrets that the job file takes from there

    All three are templates. The commit is recorded as run by `airflow:<dag>/<run id>/<task>`. The XCom is the
    document of `run --json` without its lists: exit_status, committed, version, row_count, …
    """

    template_fields: Sequence[str] = ("config", "command", "env")
    template_fields_renderers: ClassVar[dict[str, str]] = {"env": "json"}
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        config: str,
        command: str = "kafka-loader run",
        env: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.command = command
        self.env = env

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the command. Raises AirflowFailException where a retry cannot help."""
        task = context["ti"]
        run_by = f"airflow:{task.dag_id}/{task.run_id}/{task.task_id}"
        words = [*shlex.split(self.command), self.config, "--json", "--run-by", run_by]
        ended = self.run_command(words, self.env, self.log.info)
        if ended.status == SUPERSEDED:
            self.log.info("superseded: another run committed first; this one left nothing behind")
            return {"exit_status": SUPERSEDED, "committed": False, "row_count": 0}
        if ended.status != DONE:
            ended.fail()
        return ended.numbers
