"""What a task asks of the registry: the schema of an id that it has met in a record."""

import threading
from types import TracebackType
from typing import Any, Self

from loader.formats.protocol import NoSchemas, SchemaSource
from loader.registry.client import RegistryClient
from loader.registry.protoc import compile_schema
from loader.registry.settings import RegistrySettings
from loader.values.schemas import RegisteredSchema


def schema_source(settings: RegistrySettings | None) -> SchemaSource:
    """Where decoders learn of ids; without settings the source of a job without a registry. To be closed."""
    return NoSchemas() if settings is None else RegistrySource(settings)


class RegistrySource:
    """Asks once for each id, also for one that the registry does not have. For any thread of one task.

    It travels to a task with what it was made of, and asks anew there: an id that was unknown once may have
    been registered since.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._client: RegistryClient | None = None
        self._schemas: dict[int, RegisteredSchema | None] = {}
        self._turn = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return RegistrySource, (self._settings,)  # not the connection, nor the lock

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of an id, None where the registry has none. Raises what RegistryClient raises."""
        if schema_id <= 0:
            return None  # registries count from 1
        with self._turn:
            if schema_id not in self._schemas:
                if self._client is None:
                    self._client = RegistryClient(self._settings)
                self._schemas[schema_id] = self._client.schema(schema_id)
            return self._schemas[schema_id]

    def descriptor_set(self, schema: RegisteredSchema) -> bytes:
        """As of SchemaSource."""
        return compile_schema(schema)

    def close(self) -> None:
        """Close the connection, if one was opened. What is asked afterwards opens another."""
        with self._turn:
            if self._client is not None:
                self._client.close()
                self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
