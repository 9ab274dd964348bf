from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cluster.monitoring.collapse import ENOUGH, CollapseWatch, colours

RANDOM = np.random.default_rng(0)


def step_info(step: int, real: Any, fake: Any) -> Any:
    return SimpleNamespace(step=step, real=real, fake=SimpleNamespace(numpy=lambda: fake))


def images() -> Any:
    return RANDOM.integers(0, 256, (2, 2, 8, 8, 3)).astype(np.uint8)


def signed(pixels: Any) -> Any:
    return pixels.astype(np.float32) / 127.5 - 1


@pytest.mark.parametrize(("change", "correlation"), [(lambda p: p, 1.0), (lambda p: -p, -1.0), (lambda p: 0 * p, 0.0)])
def test_colours(change: Any, correlation: float) -> None:
    real = images()
    fake = change(signed(real))
    np.testing.assert_allclose(colours(real, fake)[:, 0], correlation, atol=1e-6)
    np.testing.assert_allclose(colours(real, fake)[:, 1], [fake[d].mean(-1).std() for d in range(2)], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (lambda p: p, []),
        (lambda p: np.stack([p[0], -p[1]]), ["G_BA inverts light and dark"]),
        (lambda p: np.stack([0 * p[0], p[1]]), ["G_AB paints one even tone"]),
        (lambda p: p + np.nan, []),
    ],
)
def test_a_lasting_fault_is_reported_once_with_its_cure(change: Any, texts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    watch = CollapseWatch()
    for step in range(1, 3 * ENOUGH):
        real = images()
        watch(step_info(step, real, change(signed(real))))
        assert step >= ENOUGH or not caplog.messages
    assert len(caplog.messages) == len(texts)
    for line, text in zip(caplog.messages, texts, strict=True):
        assert text in line
        assert "another train.seed" in line


def test_a_passing_fault_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    watch = CollapseWatch()
    for step in range(1, 3 * ENOUGH):
        real = images()
        watch(step_info(step, real, signed(real) * (-1 if step % 4 == 0 else 1)))
    assert not caplog.messages
