"""Upgrades checkpoints of format 3: renames settings and arrays, and takes the images' format from the `model` section."""

from collections.abc import Mapping
from typing import Any

OLDEST = 3
"""The oldest format that can be read."""
IMAGES = ("channels_a", "channels_b", "bits")
FIELDS = {("train", "constant"): "constant_fraction", ("cluster", "agree_every"): "checksum_every", ("cluster", "wire"): "allreduce_dtype"}
ARRAYS = {"pool.pictures": "pool.images"}
"""Names of arrays in format 3, and today's."""


def images_of_3(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ImageFormat`, which format 3 has in the `model` section of its config."""
    model = config.get("model", {})
    return {name: model[name] for name in IMAGES if name in model}


def config_of_3(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of an index of format 3 with today's fields."""
    result = {section: dict(fields) for section, fields in config.items()}
    for (section, old), new in FIELDS.items():
        if old in result.get(section, {}):
            result[section] = {new if name == old else name: value for name, value in result[section].items()}
    if "model" in result:
        model = {name: value for name, value in result["model"].items() if name not in IMAGES}
        form = model.pop("form", "auto")
        plain, precision = form == "plain", "bfloat16" if form == "bfloat16" else "float32"
        result["model"] = {**model, "convolution": "plain" if plain else "auto", "precision": precision}
    return result
