"""The schema registry that other tests stand on."""

import json
from pathlib import Path

import pytest

from local_services.errors import ServiceError
from local_services.registry import SchemaRegistry


def test_a_killed_registry_comes_back_on_its_port_with_its_schemas(tmp_path: Path) -> None:
    with SchemaRegistry(tmp_path) as registry:
        first = registry.register("kept-value", '"string"')
        url = registry.url

        registry.kill()
        assert not registry.answers()
        registry.start()

        assert registry.url == SchemaRegistry(tmp_path).url == url
        assert registry.register("other-value", '"string"') == first
        assert registry.register("third-value", '"int"') != first


def test_a_schema_that_it_refuses_is_told_in_its_words(registry: SchemaRegistry) -> None:
    with pytest.raises(ServiceError, match=r"refuses POST /subjects/wrong-value/versions: 4\d\d "):
        registry.register("wrong-value", json.dumps({"type": "nothing"}))
