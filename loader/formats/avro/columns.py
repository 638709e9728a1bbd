"""The columns of a topic from all versions of its schema."""

from collections.abc import Sequence
from dataclasses import replace

from loader.errors import UnusableSchema
from loader.formats.avro.slots import (
    Branch,
    Content,
    Elements,
    Fields,
    Leaf,
    Slot,
    SlotField,
    content_type_of,
    joined_leaves,
    without_names,
)


class Unjoinable(Exception):
    """Two types that no column holds both of: `path` is where, `problem` what."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path, self.problem = path, problem


def columns_of(versions: Sequence[tuple[str, Slot]]) -> Slot:
    """The slot that holds the values of every version.

    versions  oldest first; what each is called in errors, and its slot

    The fields are those of the newest version in its order, then those that only older ones have. The aliases
    and defaults are the newest's alone. Raises UnusableSchema.
    """
    newest, columns = versions[-1]
    for name, slot in reversed(versions[:-1]):
        try:
            columns = joined(columns, without_names(slot))
        except Unjoinable as error:
            raise UnusableSchema(
                f"{name} does not fit to {newest}, and those between: {error}. Columns may be added, int"
                " become long, float become double, and int, long and float what Avro promotes them to; for"
                " anything else give the field another name, or load the topic with format raw"
            ) from error
    for name, slot in versions:
        if not fits(columns, slot):
            raise UnusableSchema(f"{name}: some of its unions belong to other columns in later versions")
    return columns


def fits(columns: Slot, slot: Slot) -> bool:
    """Whether columns hold all values of another version, as they are."""
    try:
        return joined(columns, without_names(slot)) == columns
    except Unjoinable:
        return False


def joined(newer: Slot, older: Slot, path: str = "") -> Slot:
    """The slot that holds the values of both. Raises Unjoinable."""
    if not newer.branches or not older.branches:
        return newer if newer.branches else older
    if not newer.is_union and not older.is_union:
        return Slot((_joined_branch(newer.branches[0], older.branches[0], path),))
    branches = list(newer.branches)
    for other in older.branches:
        number = Slot(tuple(branches)).branch_of(other)
        if number is None:
            branches.append(other)
        else:
            name = other.names[0].rpartition(".")[2]
            branches[number] = _joined_branch(branches[number], other, f"{path}.{name}" if path else name)
    return Slot(tuple(branches))


def _joined_branch(newer: Branch, older: Branch, path: str) -> Branch:
    return replace(newer, content=_joined_content(newer.content, older.content, path))


def _joined_content(newer: Content, older: Content, path: str) -> Content:
    match newer, older:
        case Fields(), Fields():
            return _joined_fields(newer, older, path)
        case Elements(slot, is_map), Elements(other, other_is_map) if is_map == other_is_map:
            return Elements(joined(slot, other, path + ("{}" if is_map else "[]")), is_map)
        case Leaf(one), Leaf(two) if (both := joined_leaves(one, two)) is not None:
            return Leaf(both)
        case _:
            was, became = content_type_of(older), content_type_of(newer)
            raise Unjoinable(path, f"was {was} and is {became}, and no column holds both")


def _joined_fields(newer: Fields, older: Fields, path: str) -> Fields:
    fields = list(newer.fields)
    places = places_of(newer, [each.names[0] for each in older.fields])
    for other, number in zip(older.fields, places, strict=True):
        within = f"{path}.{other.names[0]}" if path else other.names[0]
        if number is None:
            fields.append(SlotField(other.names[:1], other.slot))
        else:
            fields[number] = replace(fields[number], slot=joined(fields[number].slot, other.slot, within))
    return Fields(tuple(fields))


def places_of(columns: Fields, names: Sequence[str]) -> list[int | None]:
    """For each field of a writer by its name, which of the columns it is; each is that of one at most.

    A field's own name counts before another's alias.
    """
    own = {each.names[0]: number for number, each in enumerate(columns.fields)}
    taken = {own[name] for name in names if name in own}
    places: list[int | None] = []
    for name in names:
        number = own.get(name)
        if number is None:
            number = columns.place_of(name)
            if number in taken:
                number = None
            elif number is not None:
                taken.add(number)
        places.append(number)
    return places
