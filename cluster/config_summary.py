"""What a user wants to see of the configuration at the start: the images, the networks, and what differs from the defaults."""

import json
from collections.abc import Iterator

from cluster.config import Config
from cyclegan.config import ModelConfig
from preprocess.config import DataConfig
from preprocess.images.size import shown
from ringcycle.storage.location import redacted


def summary(config: Config) -> list[str]:
    """A few lines, without credentials. The run's `config.toml` has every field."""
    changed = " ".join(_changed(config))
    return [f"images: {_images(config.data)}", f"networks: {_networks(config.model)}", f"changed from the defaults: {changed or 'nothing'}"]


def _images(data: DataConfig) -> str:
    sources = [data.source_a, data.source_b] if data.source_a else [data.source or data.source_list or data.shards]
    whole, crops = f"whole images of {shown(data.crop_size)}", f"crops of {shown(data.crop_size)}"
    sizes = {
        "resize_and_crop": f"{crops} from images resized to {shown(data.load_size)}",
        "scale_width_and_crop": f"{crops} from images resized to a width of {shown(data.load_size)}",
        "crop": crops,
        "scale_width": whole,
        "none": whole,
    }
    return f"{redacted(' and '.join(sources))}, {sizes[data.preprocess]}"


def _networks(model: ModelConfig) -> str:
    depth = {"resnet": f"{model.blocks} block{'s' * (model.blocks > 1)}", "unet": f"{model.unet_depth} levels"}.get(model.generator, "")
    generator = ", ".join(filter(None, [f"{model.generator} generators of {model.filters} filters", depth]))
    norm = "no norm" if model.norm == "none" else f"{model.norm} norm"
    return f"{generator}; {model.discriminator} discriminators of {model.discriminator_filters} filters; {norm}"


def _changed(config: Config) -> Iterator[str]:
    """FIELD=VALUE of all fields that have another value than by default; the dump masks credentials."""
    defaults = Config().model_dump()
    for section, fields in config.model_dump().items():
        for name, value in fields.items():
            if value != defaults[section][name]:
                yield f"{section}.{name}={json.dumps(value, ensure_ascii=False)}"
