"""One worker: what Ray Train runs in each process of the group."""

import logging
import os
import time
from dataclasses import replace
from functools import partial

import ray
import ray.train
import ray.train.collective

from cluster.checkpointing.checkpointer import CheckpointedRun, Checkpointer, GroupMember
from cluster.checkpointing.resume import load_state, load_weights, newest_checkpoint
from cluster.checkpointing.save_rule import SaveRule
from cluster.hardware.affinity import pin_service_threads, unbound
from cluster.job import CLOSE_SECONDS, Job
from cluster.monitoring.collapse import CollapseWatch
from cluster.monitoring.data_wait import DataWait
from cluster.monitoring.logs import Logs
from cluster.monitoring.status import Outcome, WorkerInfo
from cluster.monitoring.step_info import Hook, every
from cluster.worker import hooks
from cluster.worker.compile_training import CompiledTraining, GroupSettings, compile_training
from cluster.worker.heartbeat import HeartbeatSender
from cluster.worker.join_group import Worker, join_group
from cluster.worker.loop import TrainingLoop, no_flags
from cluster.worker.strategy import device_name
from cyclegan.checkpoint_files.index import read_index
from cyclegan.training.state import Arrays
from preprocess.feed.feed import Feed, FeedSettings
from preprocess.shards.cache import cache_settings
from ringcycle.credentials import hide_credentials
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.user_cache import compile_cache

log = logging.getLogger(__name__)

COLLECTIVE_PATIENCE = 1.5  # × peer_timeout: the driver, which sees heartbeats, must notice a lost peer before TensorFlow does


def train_loop(settings: dict[str, Job]) -> None:
    """Train until the end, a stop or a divergence.

    A user's mistake is reported to the status board; any other exception is raised, and the driver starts another attempt.
    """
    job, rank = settings["job"], ray.train.get_context().get_world_rank()
    hide_credentials()  # TensorFlow's port gives whoever reaches it the environment of this process
    send_lines(job.board.add_line.remote, job.log_level)
    try:
        node = ray.get_runtime_context().get_node_id()
        with HeartbeatSender(lambda heartbeat: job.board.heartbeat.remote(rank, heartbeat), node) as heartbeat:
            _train(job, heartbeat)
    except UserError as error:
        ray.get(job.board.set_outcome.remote(Outcome("failed", 0, reason=str(error))))
    except Exception as error:
        fact = (str(error).splitlines() or [""])[0]
        ray.get(job.board.add_line.remote(f"worker {rank} failed: {type(error).__name__}: {fact}"))
        raise


def _train(job: Job, heartbeat: HeartbeatSender) -> None:
    worker = join_group(job)
    with _feed(worker) as feed:
        training = _compile(worker, feed, heartbeat)
        logs = Logs(job.run, worker.step) if worker.rank == 0 else None
        checkpointer = _checkpointer(worker, logs)
        reporter = _reporter(worker, checkpointer) if worker.rank == 0 else None
        watch = CollapseWatch()
        loop = TrainingLoop(
            program=training.step,
            state=training.state,
            feed=feed,
            schedule=worker.schedule,
            end=worker.end,
            draws=worker.draws,
            hooks=_hooks(worker, training, checkpointer, logs, reporter, watch),
            heartbeat=heartbeat,
            flags=reporter.flags if reporter else no_flags,
            means=training.passes.means,
        )
        heartbeat.enter_phase("training", worker.step)
        outcome = replace(loop.run(worker.step), faults=watch.faults)
        heartbeat.enter_phase("closing")
        outcome = _close(worker, checkpointer, logs, outcome)
    ray.train.collective.barrier()  # so that rank 0's checkpoint is there before any process of the group ends
    assert not training.retraced(), f"traced again: {training.retraced()}"
    if worker.rank == 0:
        ray.get(worker.board.set_outcome.remote(replace(outcome, checkpoint=newest_checkpoint(worker.checkpoints))))


def _feed(worker: Worker) -> Feed:
    """The feed of the remaining steps."""
    data, global_batch = worker.job.config.data, worker.schedule.global_batch
    return Feed(
        worker.job.shards,
        worker.plan,
        worker.feed_share,
        position=worker.step * global_batch,
        end=worker.end * global_batch,
        settings=FeedSettings(
            actors=data.feed_actors,
            read_ahead_mb=data.read_ahead_mb,
            cpus=worker.share.service,
            nodes=data.feed_nodes,
            cache=cache_settings(data.cache, data.cache_gb),
            log_to=worker.board,
            log_level=worker.job.log_level,
        ),
    )


def _compile(worker: Worker, feed: Feed, heartbeat: HeartbeatSender) -> CompiledTraining:
    """The compiled training with the state that it begins with; the worker is then reported as ready."""
    begin = time.perf_counter()
    worker.board.set_phase.remote("compiling")
    heartbeat.enter_phase("compiling")
    cluster = worker.job.config.cluster
    training = compile_training(
        worker.job.model,
        worker.train,
        worker.plan.crop_size,
        GroupSettings(worker.workers, COLLECTIVE_PATIENCE * cluster.peer_timeout, cluster.allreduce_dtype, worker.gpu),
        compile_cache(worker.job.compile_cache),
        before_step=ray.train.collective.barrier,  # the first step waits for peers by their timeout, which must not count compiling
        with_all_cores=partial(unbound, worker.node_cpus),
    )
    for report in training.reports:
        log.debug(f"worker {worker.rank}: {report.name} took {report.seconds:.1f} s{' from the cache' * bool(report.hit)}")
    pin_service_threads(worker.share.service)  # all of TensorFlow's threads have run by now
    heartbeat.enter_phase("restoring")
    if worker.resumed:
        training.state.assign(load_state(worker.resumed, worker.rows)[1])
    else:
        training.state.assign_initial(worker.train.seed)
        if worker.job.config.run.start_from:
            training.state.assign_weights(_start_weights(worker.job))
    if worker.rank == 0:
        worker.board.add_seconds.remote("compile", time.perf_counter() - begin)
    info = WorkerInfo(
        pid=os.getpid(),
        host=ray.util.get_node_ip_address(),
        cores=worker.share.compute,
        feed_pids=tuple(feed.pids()),
        programs=len(training.reports),
        hits=sum(bool(report.hit) for report in training.reports),
        compile_seconds=sum(report.seconds for report in training.reports),
        step=worker.step,
        device=device_name(worker.gpu),
    )
    ray.get(worker.board.set_worker.remote(worker.rank, info))
    return training


def _start_weights(job: Job) -> Arrays:
    """The weights of the run that this one starts from. Raises UserError if they are gone, after going back to the beginning."""
    if job.start is None:
        raise UserError(f"run.start_from = {job.config.run.start_from} is gone, and no checkpoint of the run itself is left: give another")
    return load_weights(job.start)


def _checkpointer(worker: Worker, logs: Logs | None) -> Checkpointer:
    """logs: written out before each checkpoint, so that what a checkpoint has, they have."""
    config = worker.job.config
    return Checkpointer(
        CheckpointedRun(worker.checkpoints, config, worker.job.images, worker.fingerprint, worker.plan.pairs.fingerprint()),
        GroupMember(worker.rank, worker.workers, worker.token),
        config.cluster.peer_timeout,
        logs.flush if logs else None,
    )


def _reporter(worker: Worker, checkpointer: Checkpointer) -> hooks.Reporter:
    run = worker.job.config.run
    rule = SaveRule(run.checkpoint_every, run.checkpoint_minutes)
    return hooks.Reporter(
        worker.board,
        worker.schedule.global_batch,
        worker.plan.epoch_length,
        worker.end,
        save_due=lambda step: rule.due(step, checkpointer.busy),
        checkpoint=lambda: checkpointer.published or (worker.step if worker.resumed else 0),
    )


def _hooks(
    worker: Worker,
    training: CompiledTraining,
    checkpointer: Checkpointer,
    logs: Logs | None,
    reporter: hooks.Reporter | None,
    watch: CollapseWatch,
) -> list[Hook]:
    """What happens after a step, in order: rank 0's metrics come before the checkpoint."""
    config = worker.job.config

    def report(step: int, value: int) -> None:
        ray.get(worker.board.checksum.remote(worker.rank, step, value))  # the last one must be there before the outcome is

    result = [hooks.checksums(report, training.state, config.cluster.checksum_every)]
    if logs:
        result += logs.hooks(config, worker.job.images)
        result += [
            hooks.report_dropped_updates(),
            every(config.run.log_every, watch),
            DataWait(config.data.feed_actors),
        ]
    cycle_loss = read_index(worker.resumed).cycle_loss if worker.resumed else None
    result.append(hooks.checkpoints(checkpointer, training.state, worker.rows, cycle_loss))
    if reporter:
        result.append(reporter)
    return result


def _close(worker: Worker, checkpointer: Checkpointer, logs: Logs | None, outcome: Outcome) -> Outcome:
    """Wait for what is still being written. The outcome is a failure if the last checkpoint could not be saved."""
    unsaved = checkpointer.close(CLOSE_SECONDS)
    if unsaved:
        outcome = replace(outcome, kind="failed", reason=f"the last checkpoint is not saved: {unsaved}")
    if logs:
        logs.close(worker.job.config.cluster.peer_timeout)
    return outcome
