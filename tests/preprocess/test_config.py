"""The `data` section: contradictions are refused, credentials neither printed nor stored."""

import pytest
from pydantic import ValidationError

from preprocess.config import DataConfig
from preprocess.sources.layouts import source_of


def config_message(**fields: object) -> str:
    with pytest.raises(ValidationError) as error:
        DataConfig.model_validate(fields)
    return str(error.value.errors()[0]["ctx"]["error"])


def test_wrong_configurations() -> None:
    assert config_message(source="x", source_a="y", source_b="z") == 'data.source = "x", but also data.source_a = "y": set only one of them'
    assert config_message(source="s3://K:SECRET@b/x", source_list="l.csv") == (
        'data.source = "s3://***@b/x", but also data.source_list = "l.csv": set only one of them'
    )
    assert config_message(source_a="x") == 'data.source_a = "x", but data.source_b is empty: set both'
    assert config_message(source="x", class_b="dog") == 'data.class_b = "dog", but data.class_a is empty: set both'
    assert "use data.source with classes" in config_message(source_a="x", source_b="y", class_a="cat", class_b="dog")
    assert "name two" in config_message(source="x", class_a="cat", class_b="cat")
    assert "cannot be written to HDFS" in config_message(source="x", shards="hdfs://host/x")


def test_credentials_are_neither_printed_nor_stored() -> None:
    config = DataConfig(source="s3://KEY:SECRET@bucket/x?region=r", shards="s3://KEY:SECRET@bucket/shards")
    for text in (str(config), repr(config), str(config.model_dump()), config.model_dump_json(), str(source_of(config))):
        assert "SECRET" not in text and "KEY" not in text
    assert config.model_dump()["source"] == "s3://***@bucket/x?region=r"
    assert source_of(config).source == "s3://KEY:SECRET@bucket/x?region=r"
