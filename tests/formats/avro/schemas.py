"""Random Avro schemas and values of them, as Hypothesis draws them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st

Draw = Callable[..., Any]

PRIMITIVES = ("boolean", "int", "long", "float", "double", "bytes", "string")
LOGICAL = (
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10},
    {"type": "bytes", "logicalType": "decimal", "precision": 5},
    {"type": "long", "logicalType": "of-tomorrow"},
)
ALIKE = (("boolean",), ("int", "long"), ("float", "double"), ("string",), ("bytes",))
"""Of each, a union has one: what fastavro reads does not say which it was."""


class Schemas:
    """Draws schemas whose named types have names of their own."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._names = 0
        self._finished: list[str] = []

    def _name(self, word: str) -> str:
        self._names += 1
        namespace: str = self._draw(st.sampled_from(["shop", "a.b"]))
        return f"{namespace}.{word}{self._names}"

    def record(self, depth: int) -> dict[str, Any]:
        name = self._name("Record")
        count = self._draw(st.integers(0, 4))
        fields = [{"name": f"f{number}", "type": self.type(depth + 1)} for number in range(count)]
        self._finished.append(name)
        return {"type": "record", "name": name, "fields": fields}

    def enum(self) -> dict[str, Any]:
        name = self._name("Enum")
        self._finished.append(name)
        return {
            "type": "enum",
            "name": name,
            "symbols": self._draw(st.sampled_from([["A"], ["RED", "B_1", "c"]])),
        }

    def fixed(self) -> dict[str, Any]:
        name = self._name("Fixed")
        self._finished.append(name)
        size = self._draw(st.sampled_from([0, 1, 12, 16, 20]))
        bare = {"type": "fixed", "name": name, "size": size}
        if size and self._draw(st.booleans()):
            return bare | {"logicalType": "decimal", "precision": min(2 * size, 38), "scale": 1}
        return bare

    def union(self, depth: int) -> list[Any]:
        draw = self._draw
        makers: list[Callable[[], Any]] = [
            partial(draw, st.sampled_from(each)) for each in ALIKE if draw(st.booleans())
        ]
        if draw(st.booleans()):
            makers.append(self.enum)
        if draw(st.booleans()):
            makers.append(lambda: {"type": "array", "items": self.type(depth + 1)})
        if draw(st.booleans()):
            makers += [lambda: self.record(depth + 1)] * draw(st.integers(1, 2))
        if draw(st.booleans()) or not makers:
            makers.append(lambda: "null")
        # First the order, then the types: one may refer to those before it.
        return [make() for make in draw(st.permutations(makers))]

    def type(self, depth: int) -> Any:
        draw = self._draw
        kinds = ["primitive", "primitive", "logical", "enum", "fixed", "nullable", "null", "reference"]
        kind = draw(st.sampled_from(kinds + ["record", "array", "map", "union"] * (depth < 3)))
        if kind == "reference" and self._finished:
            return draw(st.sampled_from(self._finished))
        match kind:
            case "logical":
                return dict(draw(st.sampled_from(LOGICAL)))
            case "enum":
                return self.enum()
            case "fixed":
                return self.fixed()
            case "nullable":
                inner = draw(st.sampled_from(PRIMITIVES + LOGICAL))
                return list(draw(st.permutations(["null", inner])))
            case "null":
                return "null"
            case "record":
                return self.record(depth)
            case "array":
                return {"type": "array", "items": self.type(depth + 1)}
            case "map":
                return {"type": "map", "values": self.type(depth + 1)}
            case "union":
                return self.union(depth + 1)
            case _:
                return draw(st.sampled_from(PRIMITIVES))


INTS = st.sampled_from([0, 1, -1, 63, 64, -65, 86_399_999, 2**31 - 1, -(2**31)]) | st.integers(
    -(2**31), 2**31 - 1
)
LONGS = (
    st.sampled_from([0, 999, -999, -1, 2**63 - 1, -(2**63), 2**53, (2**63 - 1) // 1000, 86_400_000_000])
    | INTS
    | st.integers(-(2**63), 2**63 - 1)
)
TEXTS = st.text(max_size=12)


class Data:
    """Draws values of a schema, as fastavro writes them."""

    def __init__(self, draw: Draw, schema: Any) -> None:
        self._draw = draw
        self._named: dict[str, Any] = {}
        self._schema = schema

    def datum(self) -> Any:
        return self._of(self._schema)

    def _of(self, schema: Any) -> Any:
        draw = self._draw
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str):
            if schema in self._named:
                return self._of(self._named[schema])
            schema = {"type": schema}
        match schema["type"]:
            case "record":
                return {each["name"]: self._of(each["type"]) for each in schema["fields"]}
            case "enum":
                return draw(st.sampled_from(schema["symbols"]))
            case "fixed":
                return draw(st.binary(min_size=schema["size"], max_size=schema["size"]))
            case "array":
                return [self._of(schema["items"]) for _ in range(draw(st.integers(0, 3)))]
            case "map":
                keys = draw(st.lists(TEXTS, max_size=3, unique=True))
                return {key: self._of(schema["values"]) for key in keys}
            case "null":
                return None
            case "boolean":
                return draw(st.booleans())
            case "int":
                return draw(INTS)
            case "long":
                return draw(LONGS)
            case "float":
                return draw(st.floats(width=32))
            case "double":
                return draw(st.floats())
            case "bytes":
                return draw(st.binary(max_size=20))
            case _:
                return draw(TEXTS)

    def learn(self, schema: Any) -> None:
        """Find the named types."""
        for each in schema if isinstance(schema, list) else [schema]:
            if isinstance(each, dict):
                if "name" in each:
                    self._named[each["name"]] = each
                self.learn(each.get("items"))
                self.learn(each.get("values"))
                for field in each.get("fields", ()):
                    self.learn(field["type"])

    def _union(self, schema: list[Any]) -> Any:
        branch = self._draw(st.sampled_from(schema))
        datum = self._of(branch)
        if isinstance(branch, dict) and "name" in branch:
            return branch["name"], datum
        return datum


@st.composite
def schemas(draw: Draw) -> Any:
    """A record, most of the time."""
    made = Schemas(draw)
    return made.record(0) if draw(st.integers(0, 4)) else made.type(0)


@st.composite
def schemas_with_values(draw: Draw) -> tuple[Any, list[Any]]:
    """A schema, and some values of it."""
    schema = draw(schemas())
    data = Data(draw, schema)
    data.learn(schema)
    return schema, [data.datum() for _ in range(draw(st.integers(1, 4)))]
