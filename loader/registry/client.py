"""Subjects, versions and ids of a registry that speaks Confluent's API, with references resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from loader.errors import ConfigError, UnusableSchema
from loader.registry.settings import RegistrySettings
from loader.registry.transport import NotFound, RegistryTransport
from loader.values.schemas import RegisteredSchema, SchemaReference


@dataclass(frozen=True, slots=True, order=True)
class SubjectVersion:
    """Where a schema is registered."""

    subject: str
    version: int


class RegistryClient:
    """Asks one registry; any thread may use it. To be closed, best by a `with` block.

    Every question raises RegistryUnavailable (exit 3) where nothing answers until the limit, AccessDenied
    where the login is refused, ConfigError where what answers is no schema registry, and UnusableSchema where
    a schema refers to one that is not there.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._transport = RegistryTransport(settings)
        # A version never changes, and all of a topic's schemas refer to the same few.
        self._referred: dict[SubjectVersion, dict[str, Any]] = {}

    def schema(self, schema_id: int, subject: str | None = None) -> RegisteredSchema | None:
        """The schema of an id; None where the registry has none.

        subject  where ids mean something within a context of Confluent's only: any subject of it
        """
        query = None if subject is None else {"subject": subject}
        found = self._transport.get(f"/schemas/ids/{schema_id}", query)
        if isinstance(found, NotFound):
            return None
        return self._registered(schema_id, found)

    def places(self, schema_id: int) -> tuple[SubjectVersion, ...] | None:
        """Where the schema of an id is registered; None where the registry has none."""
        found = self._transport.get(f"/schemas/ids/{schema_id}/versions")
        if isinstance(found, NotFound):
            return None
        return tuple(
            SubjectVersion(_field(each, "subject", str), _field(each, "version", int))
            for each in _listed(found)
        )

    def versions(self, subject: str) -> tuple[int, ...] | None:
        """The numbers of a subject's versions, rising; None where the registry has no such subject."""
        found = self._transport.get(f"/subjects/{quote(subject, safe='')}/versions")
        if isinstance(found, NotFound):
            return None
        numbers = _listed(found)
        if not all(isinstance(number, int) for number in numbers):
            raise _misread(f"versions {numbers!r}")
        return tuple(sorted(numbers))

    def version(self, subject: str, version: int | Literal["latest"] = "latest") -> RegisteredSchema | None:
        """One version of a subject; None where the registry does not have it."""
        found = self._transport.get(f"/subjects/{quote(subject, safe='')}/versions/{version}")
        if isinstance(found, NotFound):
            return None
        return self._registered(_field(found, "id", int), found)

    def all_versions(self, subject: str) -> tuple[RegisteredSchema, ...]:
        """Every version of a subject, the oldest first, each id once. Raises UnusableSchema where none is."""
        numbers = self.versions(subject)
        schemas: dict[int, RegisteredSchema] = {}
        for number in numbers or ():
            # A version that was deleted since they were listed is none.
            if (schema := self.version(subject, number)) is not None:
                schemas.setdefault(schema.schema_id, schema)
        if not schemas:
            raise UnusableSchema(f"the schema registry has no subject {subject}")
        return tuple(schemas.values())

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _registered(self, schema_id: int, document: Mapping[str, Any]) -> RegisteredSchema:
        references: dict[str, SchemaReference | None] = {}
        self._resolve(schema_id, document, references)
        return RegisteredSchema(
            schema_id,
            _field(document, "schemaType", str, "AVRO"),
            _field(document, "schema", str),
            tuple(reference for reference in references.values() if reference is not None),
        )

    def _resolve(
        self, schema_id: int, document: Mapping[str, Any], found: dict[str, SchemaReference | None]
    ) -> None:
        """Add what a schema refers to, each behind what it refers to itself.

        A name counts once, as in Confluent's own clients: the first that is met. It is marked before its own
        references are followed, so that a ring of them ends.
        """
        for each in _field(document, "references", list, []):
            name = _field(each, "name", str)
            if name in found:
                continue
            found[name] = None
            place = SubjectVersion(_field(each, "subject", str), _field(each, "version", int))
            referred = self._reference(schema_id, name, place)
            self._resolve(schema_id, referred, found)
            del found[name]
            found[name] = SchemaReference(name, _field(referred, "schema", str))

    def _reference(self, schema_id: int, name: str, place: SubjectVersion) -> dict[str, Any]:
        if place not in self._referred:
            path = f"/subjects/{quote(place.subject, safe='')}/versions/{place.version}"
            # Deleted ones, too: schemas that are still there may stand on them.
            found = self._transport.get(path, {"deleted": "true"})
            if isinstance(found, NotFound):
                raise UnusableSchema(
                    f"schema {schema_id} of the registry refers to {name}, but version {place.version} of"
                    f" subject {place.subject} is not there. Nothing of its topics was committed; register it"
                    " again."
                )
            self._referred[place] = found
        return self._referred[place]


def _listed(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise _misread(f"{found!r:.200} where a list belongs")
    return found


def _field(document: Any, key: str, kind: type, default: Any = None) -> Any:
    """A field of an answer; a missing one, or null, is the default if there is one."""
    value = document.get(key) if isinstance(document, Mapping) else None
    value = default if value is None else value
    if not isinstance(value, kind):
        raise _misread(f"{document!r:.200}, without {key}")
    return value


def _misread(what: str) -> ConfigError:
    return ConfigError(
        [f"registry.url: the answer holds {what}: is that the URL of an API like Confluent's?"]
    )
