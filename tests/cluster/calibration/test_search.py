from dataclasses import replace

from cluster.calibration.search import NETWORKS, Candidate, Figures, Trial, best, search, worker_counts

FIRST = Candidate(workers=1, threads=4, convolution="auto", precision="float32", batch=1, allreduce_dtype="float32")
GIB = 2**30
SLOWNESS = dict(zip(NETWORKS, (1.0, 2.0, 1.5), strict=True))


def taking(seconds: float, batch: int = 1) -> Figures:
    return Figures(seconds, compile_seconds=1, memory=batch * GIB, peak=2 * batch * GIB)


def machine(candidate: Candidate) -> Trial:
    """A machine by formula: larger batches save up to half a second per step, two workers lose little, one algorithm is the fastest."""
    seconds = 0.5 + candidate.batch * 4 / candidate.threads * SLOWNESS[candidate.convolution, candidate.precision]
    if candidate.workers > 1:
        seconds += 0.4 if candidate.allreduce_dtype == "float32" else 0.2
    return Trial(candidate, taking(seconds, candidate.batch))


def test_each_setting_is_varied_from_the_best_so_far() -> None:
    trials = search(FIRST, NETWORKS, [(1, 4), (2, 2)], 100 * GIB, machine)
    tried = [trial.candidate for trial in trials]
    plain, rounded = replace(FIRST, convolution="plain"), replace(FIRST, precision="bfloat16")
    assert tried[:4] == [FIRST, plain, rounded, replace(FIRST, workers=2, threads=2)]
    assert len(set(tried)) == len(tried)
    chosen = best(trials).candidate
    # One worker: 1 / 1.5 images per second at batch 1; two workers: 2 / 2.9, a gain of 3.4 %.
    assert (chosen.workers, chosen.convolution, chosen.allreduce_dtype) == (2, "auto", "float32")
    assert chosen.batch == 8  # twice as much gains under 3 %


def test_a_batch_that_is_unlikely_to_fit_is_not_tried() -> None:
    trials = search(FIRST, NETWORKS, [(1, 4)], 3 * GIB, machine)  # 1 GiB per image
    assert max(trial.candidate.batch for trial in trials) == 2


def test_a_failed_trial_is_listed_but_not_chosen() -> None:
    def fragile(candidate: Candidate) -> Trial:
        return machine(candidate) if candidate.batch == 1 and candidate.convolution == "plain" else Trial(candidate, None, "killed")

    trials = search(FIRST, NETWORKS, [(1, 4), (2, 2)], 100 * GIB, fragile)
    assert trials[0] == Trial(FIRST, None, "killed")
    assert best(trials).candidate.convolution == "plain"


def test_nothing_is_chosen_if_all_trials_fail() -> None:
    trials = search(FIRST, NETWORKS, [(1, 4)], 100 * GIB, lambda candidate: Trial(candidate, None, "killed"))
    assert best(trials).figures is None


def test_a_later_trial_must_be_faster_by_more_than_noise() -> None:
    slow, near, fast = (Trial(replace(FIRST, batch=batch), taking(batch / speed)) for batch, speed in ((1, 1.0), (2, 1.02), (4, 1.04)))
    assert best([slow, near]) is slow
    assert best([slow, near, fast]) is fast


def test_numbers_of_workers_to_try() -> None:
    assert worker_counts(cores=12, numa_workers=2) == [2, 1, 4]
    assert worker_counts(cores=2, numa_workers=1) == [1, 2]
    assert worker_counts(cores=1, numa_workers=1) == [1]
