"""The schema registry, where the job names one."""

from collections.abc import Iterator
from dataclasses import replace

from loader.operations.checks.check import Check, fine
from loader.registry.client import RegistryClient
from loader.registry.settings import RegistrySettings

PATIENCE_S = 5.0


def check_registry(settings: RegistrySettings) -> Iterator[Check]:
    """Whether it answers this login; raises what a run would raise."""
    with RegistryClient(
        replace(settings, give_up_after_s=min(settings.give_up_after_s, PATIENCE_S))
    ) as client:
        # A question that every registry has an answer to, though the answer is mostly no.
        client.versions("kafka-loader-doctor")
    yield fine("schema registry", f"{', '.join(settings.urls)} answers as a schema registry")
