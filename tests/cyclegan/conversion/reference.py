"""State dicts as the reference has them, and files of them, without PyTorch; reference.json and reference.npz are from `torch_networks`."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cyclegan.torch_files.pickle_writer import pickled
from cyclegan.torch_files.state_dict_writer import write_state_dict
from tests.cyclegan.conversion.formula import NETWORKS, formula_tensors
from tests.cyclegan.torch_files.written import dictionary, legacy, storage, tensor

HERE = Path(__file__).parent
Arrays = dict[str, np.ndarray]


def reference_shapes(kind: str = "resnet") -> dict[str, dict[str, list[int]]]:
    """Shapes of PyTorch's networks of one of KINDS: by network, by key."""
    shapes: dict[str, dict[str, list[int]]] = json.loads((HERE / "reference.json").read_text())[kind]
    return shapes


def reference_outputs(kind: str = "resnet") -> Arrays:
    """What PyTorch makes of `formula_images` with these state dicts, `sampled`."""
    with np.load(HERE / "reference.npz") as file:
        return {network: file[f"{kind} {network}"] for network in NETWORKS}


def reference_state_dicts(kind: str = "resnet") -> dict[str, Arrays]:
    return {network: formula_tensors(network, shapes) for network, shapes in reference_shapes(kind).items()}


def legacy_file(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A file of float32 arrays, or int64, in the format before 2020."""
    keys = {key: str(i) for i, key in enumerate(arrays)}
    kinds = {key: "LongStorage" if array.dtype == np.int64 else "FloatStorage" for key, array in arrays.items()}
    tensors = {key: tensor(storage(keys[key], array.size, kinds[key], None), array.shape) for key, array in arrays.items()}
    return legacy(pickled(dictionary(tensors)), {keys[key]: (array.size, array.tobytes()) for key, array in arrays.items()})


def write_files(folder: Path, state_dicts: Mapping[str, Arrays], kind: str = "zip", epoch: str = "latest") -> Path:
    """The files of a training. kind: "zip" or "legacy"."""
    folder.mkdir(parents=True, exist_ok=True)
    for network, arrays in state_dicts.items():
        path = folder / f"{epoch}_net_{network}.pth"
        if kind == "legacy":
            path.write_bytes(legacy_file(arrays))
        else:
            with path.open("wb") as file:
                write_state_dict(file, arrays)
    return folder
