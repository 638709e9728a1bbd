"""What a person can decide where a run cannot, each with its command."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to go on. In `command`, CONFIG stands for the job file, as in the commands' help."""

    meaning: str
    command: str

    def __str__(self) -> str:
        return f"{self.meaning}: {self.command}"


RUN_AGAIN = Choice("run again", "kafka-loader run CONFIG")
ACCEPT_LOSS = Choice(
    "load what is left, and record the lost offsets for ever", "kafka-loader run CONFIG --accept-loss"
)
LOAD_APART = Choice(
    "keep both, apart: give a copy of CONFIG another job.name and destination", "kafka-loader run COPY"
)
LEAVE_OUT = Choice(
    "go on without the topic: take it out of [[topics]]; a pattern leaves a name out by (?!name$)",
    "kafka-loader plan CONFIG",
)
COMPARE = Choice("see which loaded rows Kafka still has", "kafka-loader verify CONFIG --against-kafka")
UNDO_POSITION = Choice(
    "set the position to where it stood before", 'kafka-loader position undo CONFIG --reason "…"'
)
LOAD_LATER = Choice(
    "load again what Kafka still holds", "kafka-loader backfill CONFIG --topic TOPIC --from OFFSET"
)
REPAIR = Choice(
    "rebuild the ledger from what is published: shows what it finds, and asks", "kafka-loader repair CONFIG"
)
RENAME_FIELD = Choice(
    "keep both columns: give the field another name by rename in its [[topics]] entry",
    "kafka-loader run CONFIG",
)
ALLOW_BAD = Choice(
    "take them into the quarantine: raise max_bad_records in the topic's [[topics]] entry, to a number where"
    " all are bad",
    "kafka-loader run CONFIG",
)
CORRECT_FORMAT = Choice(
    "read them as what they are: correct value or key in the topic's [[topics]] entry",
    "kafka-loader run CONFIG",
)
RECORD_LOSS = Choice("record the missing rows as lost", "kafka-loader repair CONFIG --accept-loss")
