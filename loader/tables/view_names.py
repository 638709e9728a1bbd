"""What the tables of a job are called, and which other names SQL may call them by."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from loader.values import layout

OFFSETS = "_offsets"
QUARANTINE = "_quarantine"

_MOST_NAMED = 8


def table_names(topics: Iterable[str]) -> Mapping[str, str]:
    """By the name of its table, each topic: its own, or that of its folder where a table is called so."""
    return {
        layout.topic_folder(topic) if topic in (OFFSETS, QUARANTINE) else topic: topic for topic in topics
    }


def view_names(tables: Iterable[str]) -> dict[str, str]:
    """By the name of a view, its table: each by its own name, and `orders.v1` also by orders_v1, if free.

    SQL takes names that differ by case only for one: where tables do, none of them has a view.
    """
    tables = list(tables)
    plain = {table: re.sub(r"\W", "_", table, flags=re.ASCII) for table in tables}
    own = Counter(table.casefold() for table in tables)
    taken = own + Counter(name.casefold() for table, name in plain.items() if name != table)
    views = {table: table for table in tables if own[table.casefold()] == 1}
    others = {plain[table]: table for table in views if taken[plain[table].casefold()] == 1}
    return {**others, **views}


def mentioned(sql: str, views: Collection[str]) -> list[str]:
    """The views that a query may read: those whose names stand in it; all where none does: SHOW TABLES."""
    if sql.lstrip().casefold().startswith("show"):
        return list(views)
    folded = sql.casefold()
    found = [view for view in views if re.search(rf"(?<!\w){re.escape(view.casefold())}(?!\w)", folded)]
    return found or list(views)


def nearest(name: str, names: Collection[str]) -> str:
    """What a person may have meant, in a sentence: the names that are near, else all."""
    by_folded = {each.casefold(): each for each in names}
    near = [by_folded[each] for each in difflib.get_close_matches(name.casefold(), by_folded, 3)]
    if near:
        return f"Did you mean {' or '.join(map(quoted, near))}?"
    told = ", ".join(map(quoted, list(names)[:_MOST_NAMED]))
    return f"There are {told}{', …' if len(names) > _MOST_NAMED else ''}."


def quoted(name: str) -> str:
    """A name as it may always stand in SQL."""
    return '"' + name.replace('"', '""') + '"'
