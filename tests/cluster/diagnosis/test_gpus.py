import pytest

from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.gpus import usable


@pytest.mark.parametrize(
    ("device", "counted", "seen", "verdict", "text"),
    [
        ("auto", 2, 2, Verdict.OK, "TensorFlow sees 2, Ray counts 2"),
        ("auto", 1, 2, Verdict.OK, "TensorFlow sees 2, Ray counts 1"),
        ("auto", 2, 0, Verdict.WARNING, "Ray counts 2, TensorFlow sees none: processors would train"),
        ("gpu", 2, 0, Verdict.PROBLEM, "Ray counts 2, TensorFlow sees none: training would fail"),
        ("auto", 2, 1, Verdict.PROBLEM, "Ray counts 2, TensorFlow sees 1: a worker without one would fail"),
    ],
)
def test_a_gpu_that_only_ray_sees_is_reported(device: str, counted: int, seen: int, verdict: Verdict, text: str) -> None:
    finding = usable(device, counted, seen)
    assert (finding.verdict, finding.text) == (verdict, text)
    assert bool(finding.cure) == (verdict is not Verdict.OK)
