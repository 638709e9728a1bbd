"""The sensor that waits for a job to have loaded all before some moment."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from loader.airflow.command import DONE, LATER, RunsCommand

LAST_WHOLE_HOUR = "{{ dag_run.run_after.strftime('%Y-%m-%dT%H:00:00Z') }}"


class CompleteSensor(RunsCommand, BaseSensorOperator):
    """Waits until every partition of a topic has passed a moment, as `kafka-loader complete` says.

    config   the job file, as the worker sees it
    topic    one topic; by default all of the job
    until    the moment, UTC, exclusive: what was produced before it is loaded. By default the last whole hour
             before the DAG run
    command  what tells it, as words of a shell, though none is started
    env      on top of the worker's environment: secrets that the job file takes from there

    All are templates. A broker that does not answer (status 3) is waited for as well. Between two looks, by
    default a minute, it occupies no worker. The XCom is the document of `complete --json` without its lists.
    """

    template_fields: Sequence[str] = ("config", "topic", "until", "command", "env")
    template_fields_renderers: ClassVar[dict[str, str]] = {"env": "json"}
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        config: str,
        topic: str | None = None,
        until: str = LAST_WHOLE_HOUR,
        command: str = "kafka-loader complete",
        env: Mapping[str, str] | None = None,
        mode: str = "reschedule",
        poke_interval: timedelta | float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, poke_interval=poke_interval, **kwargs)
        self.config = config
        self.topic = topic
        self.until = until
        self.command = command
        self.env = env

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Look once. Raises AirflowFailException where waiting cannot help."""
        only = [] if self.topic is None else ["--topic", self.topic]
        words = [*shlex.split(self.command), self.config, *only, "--until", self.until, "--json"]
        ended = self.run_command(words, self.env, self.log.info)
        if ended.status not in (DONE, LATER):
            ended.fail()
        return PokeReturnValue(ended.status == DONE, ended.numbers)
