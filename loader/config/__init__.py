"""The job file, checked: pydantic models, where secrets come from, and the JSON Schema for editors."""

from loader.config.job import JobConfig, JobSection
from loader.config.kafka import KafkaConfig, SecurityConfig
from loader.config.load import load_config
from loader.config.output import FetchConfig, LimitsConfig, PlanConfig, WriteConfig
from loader.config.secrets import Secrets, resolve_secrets
from loader.config.starts import AtOffsets, AtTimestamp, Earliest, Latest, Start
from loader.config.topics import TopicConfig

__all__ = [
    "AtOffsets",
    "AtTimestamp",
    "Earliest",
    "FetchConfig",
    "JobConfig",
    "JobSection",
    "KafkaConfig",
    "Latest",
    "LimitsConfig",
    "PlanConfig",
    "Secrets",
    "SecurityConfig",
    "Start",
    "TopicConfig",
    "WriteConfig",
    "load_config",
    "resolve_secrets",
]
