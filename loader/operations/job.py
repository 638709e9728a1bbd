"""One job, opened: its config, its destination, and how to reach its brokers and its registry."""

from dataclasses import dataclass

from loader.config.job import JobConfig
from loader.config.secrets import Secrets
from loader.kafka_source.settings import KafkaSettings, security_options
from loader.registry.settings import RegistrySettings, registry_settings
from loader.storage.opening import open_storage
from loader.storage.protocol import Storage


@dataclass(frozen=True, slots=True)
class Job:
    """What every operation on a job begins with.

    registry  None where the job names no schema registry
    """

    config: JobConfig
    storage: Storage
    kafka: KafkaSettings
    registry: RegistrySettings | None = None

    @property
    def name(self) -> str:
        """The name of its ledger."""
        return self.config.job.name


def open_job(config: JobConfig, secrets: Secrets) -> Job:
    """Open a job. Nothing is read or written yet."""
    kafka = config.kafka
    settings = KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=f"kafka-loader-{config.job.name}",
        isolation=kafka.isolation,
        client_rack=kafka.client_rack or "",
        request_timeout_ms=kafka.request_timeout_ms,
        stall_timeout_s=kafka.stall_timeout_s,
        fetch_max_bytes=config.fetch.max_bytes,
        fetch_max_wait_ms=config.fetch.max_wait_ms,
        security=security_options(kafka.security, secrets),
    )
    registry = None if config.registry is None else registry_settings(config.registry, secrets.registry)
    return Job(config, open_storage(config.job.destination), settings, registry)
