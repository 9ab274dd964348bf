"""A build in this process, without Ray: the same steps as `preprocess.build`, for tests of the images that it stores."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from preprocess.building.duplicates import drop_duplicates
from preprocess.building.pool import Done
from preprocess.building.recipe import choose_recipe, settings_text
from preprocess.building.result import check_rejected, manifest_of, rejected_so_far
from preprocess.building.units import build_unit, plan_units
from preprocess.config import DataConfig
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import Source, find_images, fingerprint, opener


def build_here(source: Path, out: Path, config: DataConfig) -> Manifest:
    """Build shards and manifest of `source` in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    images, read = find_images(Source(str(source))), opener(Source(str(source)))
    recipe = choose_recipe(config, images, read)
    units = plan_units(images, recipe, config.shard_mb)
    with ThreadPoolExecutor(2) as pool:
        done = {unit.shard: Done(unit, *build_unit(unit, read, out, recipe, pool), "here", False) for unit in units}
    check_rejected(rejected_so_far(units, done), images, config.max_rejected)
    duplicates = drop_duplicates(units, done, out)
    name = fingerprint(images, settings_text(config))
    manifest = manifest_of(str(source), name, images, recipe, units, done, duplicates)
    manifest.save(out)
    return manifest
