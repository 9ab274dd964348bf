"""Alerts and dashboard ask only for metrics that a training exports, and the alerts fire when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.driver.run_metrics import GAUGES
from tests.ray_nodes import ROOT

MONITORING = ROOT / "k8s/monitoring"
RULES: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]
NAME = re.compile(r"\bray_ringcycle_\w+")
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian's package prometheus)")

SERIES = {
    'ray_ringcycle_step{run="stuck"}': "100x120",
    'ray_ringcycle_steps{run="stuck"}': "1000x120",
    'ray_ringcycle_checkpoint_timestamp_seconds{run="stuck"}': "0x120",
    'ray_ringcycle_data_wait_ratio{run="stuck"}': "0x120",
    'ray_ringcycle_step{run="fine"}': "0+10x120",
    'ray_ringcycle_steps{run="fine"}': "10000x120",
    'ray_ringcycle_checkpoint_timestamp_seconds{run="fine"}': "0+60x120",
    'ray_ringcycle_data_wait_ratio{run="fine"}': "0.1x120",
    'ray_ringcycle_step{run="slow feed"}': "0+10x120",
    'ray_ringcycle_steps{run="slow feed"}': "10000x120",
    'ray_ringcycle_checkpoint_timestamp_seconds{run="slow feed"}': "0+60x120",
    'ray_ringcycle_data_wait_ratio{run="slow feed"}': "0.5x120",
    'ray_ringcycle_step{run="finished"}': "1000x120",
    'ray_ringcycle_steps{run="finished"}': "1000x120",
    'ray_ringcycle_checkpoint_timestamp_seconds{run="finished"}': "0x120",
    'ray_ringcycle_data_wait_ratio{run="finished"}': "0x120",
}
"""Two hours of four trainings, a value a minute."""

FIRING = {"RingcycleNoStep": ["stuck"], "RingcycleNoCheckpoint": ["stuck"], "RingcycleWaitsForImages": ["slow feed"]}


def expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*panels, *(rule["expr"] for group in RULES["groups"] for rule in group["rules"])]


def test_queries_name_metrics_that_exist() -> None:
    exported = {f"ray_{name}" for name in GAUGES}
    asked = {name for text in expressions() for name in NAME.findall(text.replace("(step|checkpoint_step)", "step"))}
    assert asked <= exported
    assert exported - asked <= {"ray_ringcycle_checkpoint_step"}, "the dashboard shows all of them"


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_it_is_rendered() -> None:
    rendered = subprocess.run(["kubectl", "kustomize", str(MONITORING)], check=True, capture_output=True, text=True, timeout=60).stdout
    kinds = {document["kind"]: document for document in yaml.safe_load_all(rendered)}
    assert sorted(kinds) == ["ConfigMap", "PodMonitor", "PrometheusRule"]
    assert json.loads(kinds["ConfigMap"]["data"]["dashboard.json"])["title"] == "ringcycle"


@promtool
def test_each_alert_fires_for_its_training_only(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    rules = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
    assert sorted(rules) == sorted(FIRING)
    tests = {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": values} for series, values in SERIES.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count by (run) (ALERTS{{alertname="{name}", alertstate="firing"}})',
                        "eval_time": "110m",
                        "exp_samples": [{"labels": f'{{run="{run}"}}', "value": 1} for run in runs],
                    }
                    for name, runs in FIRING.items()
                ],
            }
        ],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(["promtool", "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
