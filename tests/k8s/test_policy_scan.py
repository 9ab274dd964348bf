"""checkov's findings in the pods that run, of all overlays: none, but for those argued here or beside the manifest."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.rendered import OVERLAYS, kustomized, of_kind, pods

CHECKOV = os.environ.get("RINGCYCLE_TEST_CHECKOV") or shutil.which("checkov")
ARGUED = {
    "CKV_K8S_40": "user 1000 is the image's; no host of a cluster maps it, and `components/openshift` leaves it to the namespace",
    "CKV_K8S_35": "keys of object stores are read from the environment by their client libraries; ringcycle/credentials.py takes them out",
    "CKV_K8S_8": "probes: containers that end by themselves (init containers, submitter), and the autoscaler, which KubeRay gives none",
    "CKV_K8S_9": "as CKV_K8S_8",
}
DIGEST = [{"name": "ringcycle", "newName": "registry.example/ringcycle", "digest": "sha256:" + 64 * "a"}]


def findings(folder: Path) -> set[tuple[str, str]]:
    """Check and resource of all that checkov fails."""
    assert CHECKOV
    words = [
        CHECKOV,
        "--directory",
        str(folder),
        "--framework",
        "kubernetes",
        "--skip-download",
        "--compact",
        "--quiet",
        "--output",
        "json",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": "", "LOG_LEVEL": "ERROR"})
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 100, "nothing was scanned"
    return {(check["check_id"], f"{check['resource']}: {check['check_name']}") for check in report["results"]["failed_checks"]}


@pytest.mark.skipif(not CHECKOV, reason="checkov is not installed (pip install checkov; RINGCYCLE_TEST_CHECKOV names it elsewhere)")
def test_no_finding_that_is_not_argued(tmp_path: Path) -> None:
    """It knows pods, not RayJobs: those are extracted, with what the operator adds."""
    scanned = tmp_path / "scanned"
    scanned.mkdir()
    for name in OVERLAYS:
        folder = tmp_path / name
        folder.mkdir()
        documents = kustomized(folder, resources=[f"overlays/{name}"], images=DIGEST)
        made = pods(documents)
        for group, pod in made.items():
            pod["metadata"]["name"] = f"{name}-{group}"
        others = [document for kind in ("NetworkPolicy", "ServiceAccount", "Deployment") for document in of_kind(documents, kind)]
        for document in others:
            document["metadata"] |= {"namespace": "training", "name": f"{name}-{document['metadata']['name']}"}
        (scanned / f"{name}.yaml").write_text(yaml.safe_dump_all([*made.values(), *others]))
    found = findings(scanned)
    assert sorted(entry for entry in found if entry[0] not in ARGUED) == []
    assert {check for check, _ in found} == ARGUED.keys(), "argued, but no longer found"
