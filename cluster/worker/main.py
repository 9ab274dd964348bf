"""One worker: what Ray Train runs in each process of the group."""

import os
import time
import uuid
from dataclasses import replace

import numpy as np
import ray
import ray.train
import ray.train.collective

from cluster.checkpointing.checkpointer import Checkpointer
from cluster.checkpointing.resume import check_any_whole, load_state, newest_checkpoint, remove_partial
from cluster.checkpointing.retention import set_aside
from cluster.checkpointing.save_rule import SaveRule
from cluster.hardware.affinity import pin_service_threads, settle
from cluster.job import CLOSE_SECONDS, Job, plan_of
from cluster.monitoring.collapse import CollapseWatch
from cluster.monitoring.data_wait import DataWait
from cluster.monitoring.logs import Logs
from cluster.monitoring.status import Outcome, WorkerInfo
from cluster.monitoring.step_info import every
from cluster.paths import CONFIG, checkpoints_of
from cluster.worker import hooks
from cluster.worker.compile_cache import compile_units, set_up_xla, summarise
from cluster.worker.heartbeat import HeartbeatSender
from cluster.worker.loop import run_steps
from cluster.worker.strategy import EXCHANGES, make_strategy, runner, set_threads
from cyclegan.checkpoint_files import read_index
from cyclegan.inference.generator_checkpoint import find_newest
from cyclegan.training.passes import make_passes
from cyclegan.training.schedule import make_schedule
from cyclegan.training.state import make_state
from cyclegan.training.step import alone, make_step
from preprocess.feed.feed import Feed
from preprocess.shards.cache import cache_settings
from preprocess.shards.manifest import Manifest
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store, parent_and_name

SECOND_LINE = 1.5  # the driver knows a lost peer by its heartbeats; TensorFlow's own timeouts, which know less, come after


def train_loop(settings: dict[str, Job]) -> None:
    """Train to the end, a stop or a divergence. A user's mistake goes to the board; anything else is raised, and the group starts again."""
    job, rank = settings["job"], ray.train.get_context().get_world_rank()
    send_lines(job.board.add_line.remote)
    try:
        with HeartbeatSender(lambda beat: job.board.heartbeat.remote(rank, beat), ray.get_runtime_context().get_node_id()) as pulse:
            _train(job, pulse)
    except UserError as error:
        ray.get(job.board.set_outcome.remote(Outcome("failed", 0, reason=str(error))))
    except Exception as error:
        fact = (str(error).splitlines() or [""])[0]
        ray.get(job.board.add_line.remote(f"worker {rank} failed: {type(error).__name__}: {fact}"))
        raise


def _train(job: Job, pulse: HeartbeatSender) -> None:
    config, board, root = job.config, job.board, checkpoints_of(job.run)
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    cpus = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))
    share = settle(context.get_local_rank(), context.get_local_world_size(), cpus)
    set_threads(len(share.compute))
    set_up_xla(job.compile_cache)

    token, resumed = _agree(root, rank, job)
    manifest = Manifest.load(job.shards)
    plan = plan_of(config, manifest)
    global_batch = config.global_batch
    train = config.train.model_copy(update={"batch": global_batch // workers})
    schedule = make_schedule(config.train, global_batch, plan.epoch_length)
    schedule = replace(schedule, peak=schedule.peak * job.rate)
    rows = np.arange(global_batch)[rank::workers]
    step = _step_of(resumed)
    with Feed(
        job.shards,
        plan,
        batch=train.batch,
        rank=rank,
        workers=workers,
        position=step * global_batch,
        end=schedule.steps * global_batch,
        actors=config.data.feed_actors,
        read_ahead_mb=config.data.read_ahead_mb,
        cpus=share.service,
        nodes=config.data.feed_nodes,
        cache=cache_settings(config.data.cache, config.data.cache_gb),
    ) as feed:
        begin = time.perf_counter()
        board.set_phase.remote("compiling")
        pulse.enter("compiling")
        strategy = make_strategy(SECOND_LINE * config.cluster.peer_timeout, job.gpu)
        state = make_state(job.model, train, (plan.crop_size, plan.crop_size))
        passes = make_passes(state, job.model, train)
        reports = compile_units(passes.all(), job.compile_cache)
        ray.train.collective.barrier()  # the first step waits for peers by their timeout, which must not count compiling
        program = make_step(passes, EXCHANGES[config.cluster.allreduce_dtype] if workers > 1 else alone, runner(strategy))
        program.compile(job.compile_cache)
        pin_service_threads(share.service)  # all of TensorFlow's threads have run by now
        pulse.enter("restoring")
        if resumed:
            state.assign(load_state(resumed, rows)[1])
        else:
            state.assign_initial(config.train.seed)
        info = WorkerInfo(os.getpid(), ray.util.get_node_ip_address(), share.compute, tuple(feed.pids()), *summarise(reports), step)
        if rank == 0:
            board.add_seconds.remote("compile", time.perf_counter() - begin)
        ray.get(board.set_worker.remote(rank, info))
        logs = Logs(job.run, step) if rank == 0 else None
        checkpointer = Checkpointer(
            root,
            config,
            job.images,
            manifest.fingerprint,
            rank,
            workers,
            token,
            board.add_line.remote,
            config.cluster.peer_timeout,
            logs.flush if logs else None,
        )
        rule = SaveRule(config.run.checkpoint_every, config.run.checkpoint_minutes)
        reporter = hooks.Reporter(board, schedule, lambda step: rule.due(step, checkpointer.busy)) if rank == 0 else None
        due = [hooks.checksums(lambda step, value: board.checksum.remote(rank, step, value), state, config.cluster.checksum_every)]
        if logs:
            watch = every(config.run.log_every, CollapseWatch())
            due += [*logs.hooks(config, job.images), hooks.warn_dropped(), watch, DataWait(config.data.feed_actors)]
        # After the metrics: what a checkpoint has, they have.
        due.append(hooks.checkpoints(checkpointer, state, rows, read_index(resumed).cycle_loss if resumed else None))
        if reporter:
            due.append(reporter)
        pulse.enter("training", step)
        outcome = run_steps(program, state, feed, schedule, train.seed, rows, train.pool_size, step, due, reporter, pulse)
        pulse.enter("closing")
        unsaved = checkpointer.close(CLOSE_SECONDS)
        if unsaved:
            outcome = replace(outcome, kind="failed", reason=f"the last checkpoint is not saved: {unsaved}")
        if logs:
            logs.close(config.cluster.peer_timeout)
    ray.train.collective.barrier()  # so that rank 0's checkpoint is there before any process of the group ends
    assert all(p.traces() == 1 for p in (*passes.all(), program)), "a program was traced again"
    if rank == 0:
        ray.get(board.set_outcome.remote(replace(outcome, checkpoint=newest_checkpoint(root))))


def _agree(root: Location, rank: int, job: Job) -> tuple[str, Location | None]:
    """What all ranks must know alike, decided by rank 0: a token of this start, and the checkpoint to go on from."""
    decision = None
    if rank == 0:
        if Store(job.run).size(CONFIG) is None:  # written by the driver: a storage that is gone is a failure, not a new run
            raise FileNotFoundError(f"{Store(job.run).label(CONFIG)} is gone")
        remove_partial(root)
        newest = find_newest(root, lambda line: ray.get(job.board.add_line.remote(line)))
        check_any_whole(root, newest, job.config.run.name)
        set_aside(root, newest)
        decision = (uuid.uuid4().hex[:8], parent_and_name(newest)[1] if newest else None)
    token, name = ray.train.collective.broadcast_from_rank_zero(decision)
    return token, child(root, name) if name else None


def _step_of(checkpoint: Location | None) -> int:
    return read_index(checkpoint).step if checkpoint else 0
