"""The options that networks of converted weights need, here and in the reference."""

from collections.abc import Collection

from cyclegan.config import ModelConfig, ModelSpec
from cyclegan.conversion.network_entries import direction_of

RESNETS = {6: "resnet_6blocks", 9: "resnet_9blocks"}
UNETS = {7: "unet_128", 8: "unet_256"}
SIZES = ("filters", "blocks", "discriminator_filters")


def describe(model: ModelSpec) -> str:
    """The networks, for the user."""
    generator = f"{model.blocks} blocks" if model.generator == "resnet" else f"{model.generator} that halves {model.halvings} times"
    channels = f"{model.channels_a} and {model.channels_b} channels"
    return f"{model.filters} filters, {generator}, {channels}, {model.discriminator_filters} discriminator filters"


def our_options(model: ModelSpec) -> str:
    """What a run that starts from these weights must set: sizes, and kinds that are not the default ones."""
    default = ModelConfig()
    names = [name for name in model.network_fields if name in SIZES or getattr(model, name) != getattr(default, name)]
    return " ".join(f"--model.{name} {getattr(model, name)}" for name in names)


def generator_name(model: ModelSpec) -> str | None:
    """The reference's --netG; None if it has no name for it."""
    return RESNETS.get(model.blocks) if model.generator == "resnet" else UNETS.get(model.halvings)


def reference_options(model: ModelSpec, networks: Collection[str]) -> str:
    """What the reference's train.py and test.py must be told, given these networks; with one generator, its test.py alone."""
    generators = [network for network in networks if network.startswith("G")]
    both = len(generators) == 2
    taken, made = model.channels_of(direction_of(generators[0]))
    options = ["--model cycle_gan" if both else f"--model test --model_suffix {generators[0].removeprefix('G')} --no_dropout"]
    if (name := generator_name(model)) is not None:
        options.append(f"--netG {name}")
    options += [f"--ngf {model.filters}", f"--input_nc {taken}", f"--output_nc {made}", f"--norm {model.norm}"]
    if len(networks) > len(generators):
        layers = f" --n_layers_D {model.discriminator_layers}" if model.discriminator == "n_layers" else ""
        options += [f"--netD {model.discriminator}{layers}", f"--ndf {model.discriminator_filters}"]
    return f"options of the reference: {' '.join(options)}"
