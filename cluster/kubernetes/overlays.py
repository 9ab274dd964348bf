"""The documents of an overlay, as kustomize makes them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ringcycle.errors import UserError
from ringcycle.options import suggestion

FOLDER = Path(__file__).parents[2] / "k8s"
STORAGE = "storage"
"""The claim: apart from all overlays, since what deletes a run must never delete it."""
Document = dict[str, Any]


def overlay_folder(name: str) -> Path:
    """The folder of one of the project's overlays, or of the user's own. Raises UserError if there is none."""
    folder = Path(name)
    for candidate in (FOLDER / "overlays" / name, FOLDER / STORAGE if name == STORAGE else folder):
        if (candidate / "kustomization.yaml").is_file():
            return candidate
    if folder.is_dir():
        raise UserError(f"--overlay {name}: this folder has no kustomization.yaml")
    names = sorted(path.name for path in (*(FOLDER / "overlays").glob("*"), *FOLDER.glob(STORAGE)))
    if not names:
        raise UserError(f"--overlay {name}: the manifests are not installed with the package: run this from the project's folder")
    raise UserError(f"--overlay {name}: no such overlay{suggestion(name, names)}; there are {', '.join(names)}, or give a folder of yours")


def documents(folder: Path) -> list[Document]:
    """The documents that `kubectl kustomize` prints for a folder. Raises UserError if it is missing or fails."""
    if not shutil.which("kubectl"):
        raise UserError("kubectl is not installed, and it reads the overlays: install it (kubernetes-client on Debian)")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise UserError(f"kubectl kustomize {folder} failed: {' '.join(done.stderr.split())}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def as_yaml(rendered: list[Document]) -> str:
    """The documents as `kubectl apply` reads them."""
    return yaml.dump_all(rendered, Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines, such as a configuration, as such, and equal parts in full."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
