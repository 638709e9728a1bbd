"""What a task asks of the registry: the schema of an id that it has met in a record."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from loader.errors import UnusableSchema
from loader.registry.client import RegistryClient
from loader.registry.settings import RegistrySettings
from loader.values.schemas import RegisteredSchema

MAX_UNKNOWN_IDS = 10_000
"""Each costs a request, and any five bytes can look like an id: a task does not ask for ever."""


class RegistrySource:
    """Asks once for each id, also for one that the registry does not have. For any thread of one task.

    It travels to a task with what it was made of, and asks anew there: an id that was unknown once may have
    been registered since.

    known  schemas that need no asking; nothing is opened until one is met that is not among them
    """

    def __init__(self, settings: RegistrySettings, known: Iterable[RegisteredSchema] = ()) -> None:
        self._settings = settings
        self._known = tuple(known)
        self._client: RegistryClient | None = None
        self._schemas: dict[int, RegisteredSchema | None] = {each.schema_id: each for each in self._known}
        self._unknown_count = 0
        self._turn = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return RegistrySource, (self._settings, self._known)  # not the connection, nor the lock

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of an id, None where the registry has none.

        Raises what RegistryClient raises, and UnusableSchema when too many ids are unknown.
        """
        if schema_id <= 0:
            return None  # registries count from 1
        with self._turn:
            if schema_id not in self._schemas:
                self._schemas[schema_id] = found = self._ask(schema_id)
                self._unknown_count += found is None
            return self._schemas[schema_id]

    def close(self) -> None:
        """Close the connection, if one was opened."""
        with self._turn:
            if self._client is not None:
                self._client.close()
                self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _ask(self, schema_id: int) -> RegisteredSchema | None:
        if self._unknown_count >= MAX_UNKNOWN_IDS:
            raise UnusableSchema(
                f"values name {MAX_UNKNOWN_IDS} schema ids that the registry does not have: they are hardly"
                " in Confluent's wire format. Nothing of this topic was committed; correct its format in the"
                " config, or registry.url."
            )
        if self._client is None:
            self._client = RegistryClient(self._settings)
        return self._client.schema(schema_id)
