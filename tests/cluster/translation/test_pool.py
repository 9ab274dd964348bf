"""An image at which actors die again and again is given up; all others are translated."""

import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.translation.placement import seats
from cluster.translation.pool import LETHAL, TranslationPool
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.job_translator import Skipped, TranslationSettings, Written
from cyclegan.inference.scale import Scale
from cyclegan.inference.translation_plan import Job
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, weights

SETTINGS = TranslationSettings(GeneratorCheckpoint("step-00000010", 10, MODEL, weights()), "AtoB", Scale("native"), 64)


@pytest.mark.process
@pytest.mark.usefixtures("local_ray")
def test_an_image_that_kills_its_actors_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cluster.translation.pool")
    files = [(tmp_path / f"{i}.png", tmp_path / "out" / f"{i}.png") for i in range(8)]
    for image, _ in files:
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(image)
    stuck = files[3][0]
    stuck.unlink()
    os.mkfifo(stuck)  # reading it never ends
    pool = TranslationPool(SETTINGS, [], seats(1, joined=False), lambda: False)
    killed, done = list[int](), threading.Event()

    def kill() -> None:
        """Kill each actor once nothing but the stuck image is left to it."""
        while not done.wait(2):
            pids = [int(found) for found in re.findall(r"actor 0: process (\d+)", caplog.text)]
            if pids[len(killed) :] and all(result.exists() for image, result in files if image != stuck):
                killed.append(pids[-1])
                os.kill(pids[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    results = {
        i: result for job, found in pool.run([Job((i,)) for i in range(8)], files) for i, result in zip(job.images, found, strict=True)
    }
    done.set()
    thread.join()
    assert results.pop(3) == Skipped(LETHAL)
    assert sorted(results) == [0, 1, 2, 4, 5, 6, 7]
    assert all(isinstance(result, Written) for result in results.values())
    assert 2 <= len(set(killed)) <= 3


@pytest.mark.process
@pytest.mark.usefixtures("local_ray")
def test_a_mistake_in_an_actor_is_the_commands(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(image)
    pool = TranslationPool(SETTINGS, [], seats(1, joined=False), lambda: False)
    with pytest.raises(UserError, match=r"a.png/b.png cannot be written"):
        list(pool.run([Job((0,))], [(image, image / "b.png")]))
