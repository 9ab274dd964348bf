import pytest

from cluster.capacity import cpus_for_each, room


@pytest.mark.parametrize(
    ("nodes", "workers", "cpus"),
    [([2], 1, 2), ([2], 2, 1), ([2], 3, 0), ([24, 24], 4, 12), ([24, 24], 2, 24), ([0, 8, 8], 3, 4), ([4, 16], 3, 5), ([], 1, 0)],
)
def test_cpus_for_each(nodes: list[int], workers: int, cpus: int) -> None:
    assert cpus_for_each(nodes, workers) == cpus


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
