import pytest

from cluster.hardware.capacity import cpus_for_each, room


@pytest.mark.parametrize(
    ("nodes", "workers", "cpus"),
    [([2], 1, 2), ([2], 2, 1), ([2], 3, 0), ([24, 24], 4, 12), ([24, 24], 2, 24), ([0, 8, 8], 3, 4), ([4, 16], 3, 5), ([], 1, 0)],
)
def test_cpus_for_each(nodes: list[int], workers: int, cpus: int) -> None:
    assert cpus_for_each([{"CPU": float(node)} for node in nodes], workers, gpu=False) == cpus


@pytest.mark.parametrize(("gpus", "cpus"), [((1, 1), 2), ((0, 2), 8), ((0, 1), 0)])
def test_cpus_for_each_beside_a_gpu(gpus: tuple[float, float], cpus: int) -> None:
    nodes = [{"CPU": 2.0, "GPU": gpus[0]}, {"CPU": 16.0, "GPU": gpus[1]}]
    assert cpus_for_each(nodes, 2, gpu=True) == cpus


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpu", "workers"),
    [
        ([{"CPU": 8.0}, {"CPU": 7.0}], 4, False, 3),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0}], 4, True, 1),
        ([{"memory": 1.0}], 1, False, 0),
        ([], 1, False, 0),
    ],
)
def test_room(nodes: list[dict[str, float]], cpus: int, gpu: bool, workers: int) -> None:
    assert room(nodes, cpus, gpu) == workers
