"""What SQL may call the tables of a job by."""

import pytest

from loader.tables.view_names import mentioned, nearest, table_names, view_names

VIEWS = {"orders", "other", "orders.v1"}


def test_a_topic_called_like_a_table_of_the_job_goes_by_the_name_of_its_folder() -> None:
    assert table_names(["_offsets", "_quarantine", "_other"]) == {
        "%5Foffsets": "_offsets",
        "%5Fquarantine": "_quarantine",
        "_other": "_other",
    }


@pytest.mark.parametrize(
    ("tables", "views"),
    [
        (["orders"], {"orders": "orders"}),
        (["orders.v1"], {"orders.v1": "orders.v1", "orders_v1": "orders.v1"}),
        (["a-b", "a.b"], {"a-b": "a-b", "a.b": "a.b"}),  # a_b would be either
        (["a-b", "A_B"], {"a-b": "a-b", "A_B": "A_B"}),  # a_b is another's own name
        (["Orders", "orders", "x"], {"x": "x"}),  # one name for SQL
    ],
)
def test_a_view_has_its_own_name_and_a_plain_one_that_no_other_could_have(
    tables: list[str], views: dict[str, str]
) -> None:
    assert view_names(tables) == views


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ('SELECT * FROM "Orders.v1"', {"orders", "orders.v1"}),
        ("SELECT orders.n FROM orders JOIN other USING (n)", {"orders", "other"}),
        ("SELECT * FROM my_orders JOIN others USING (n)", VIEWS),  # none of them, so perhaps any
        ("SHOW TABLES", VIEWS),
        ("  show all tables -- other", VIEWS),
    ],
)
def test_the_views_that_a_query_may_read_are_those_whose_names_stand_in_it(sql: str, found: set[str]) -> None:
    assert set(mentioned(sql, VIEWS)) == found


def test_the_nearest_names_are_told_whatever_their_case_and_all_where_none_is_near() -> None:
    assert nearest("ORDER", ["orders", "weather"]) == 'Did you mean "orders"?'
    assert nearest("x", ["orders", "weather"]) == 'There are "orders", "weather".'
    assert nearest("x", [f"topic-{number}" for number in range(9)]).endswith('"topic-7", ….')
