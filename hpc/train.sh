# shellcheck shell=bash
# What slurm.sh and pbs.sh share: a Ray cluster of the job's nodes, a training on it, and what follows.
#
# They set
#   nodes        names of the nodes, beginning with the one that runs the script
#   stop_after   seconds after the script's start at which the training stops, where the batch system sends no signal (SIGUSR1)
#   end_seconds  how long Ray may take to end after node_pids
# and define
#   activate     makes python and ray available
#   start_nodes  runs node.sh on each node in the background; its processes are node_pids
#   requeue      puts the job into the queue again
set -euo pipefail

patience=300 # seconds for all nodes to join
nodes=() node_pids=() training="" cancelled="" stop_after="" end_seconds=0 environment_file=""

die() {
    echo "error: $*" >&2
    exit 1
}

# Train with these arguments of cluster.train; exits with its exit code.
train() {
    local host port code limit=()
    trap 'stop "the time limit was reached"' USR1
    trap 'cancelled=1; stop "the job was cancelled"' TERM
    check_limit
    set +u # as modules and conda need
    activate || die "python and ray are not available: edit activate in the batch script"
    set -u
    command -v ray >/dev/null || die "ray is not on PATH: edit activate in the batch script"
    export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
    python -m cluster.train "$@" --print-config >/dev/null # a mistake in the arguments ends the job here, with one line

    # Debian's own name for a host is 127.0.1.1.
    host=$({ getent ahostsv4 "${nodes[0]}" || true; hostname -I | tr ' ' '\n'; } | awk '/^[0-9.]+/ && !/^127\./ && !found++ { print $1 }')
    [[ $host ]] || die "${nodes[0]} resolves to no address that other nodes reach: ask the administrators"
    port=$(python -m hpc.free_ports 1)
    export RAY_ADDRESS=$host:$port RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
    if [[ -z ${RAY_AUTH_TOKEN:-}${RAY_AUTH_TOKEN_PATH:-} ]]; then
        RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
        export RAY_AUTH_TOKEN
    fi

    trap end_nodes EXIT
    start_nodes
    wait_for_nodes
    if [[ $stop_after ]]; then
        check_limit
        limit=(timeout --preserve-status --signal=TERM "$((stop_after - SECONDS))")
    fi
    ${limit[@]+"${limit[@]}"} python -m cluster.train "$@" &
    training=$!
    while kill -0 "$training" 2>/dev/null; do wait "$training" || true; done # a trapped signal ends `wait` early
    code=0
    wait "$training" || code=$?
    end_nodes
    # 75: stopped with a checkpoint, or nodes are lost. 143: SIGTERM while shards were built, which are kept.
    if ((code == 75 || code == 143)) && [[ ! $cancelled ]]; then
        if requeue; then
            echo "in the queue again: the next job resumes this run"
        else
            echo "error: the job cannot put itself into the queue again: submit the same command to resume" >&2
        fi
    fi
    exit "$code"
}

check_limit() {
    [[ -z $stop_after ]] || ((SECONDS < stop_after)) || die "the job's time limit leaves no time for training: ask for more"
}

wait_for_nodes() {
    local waiter pid
    python -m hpc.wait_for_nodes "$patience" "${nodes[@]}" &
    waiter=$!
    while kill -0 "$waiter" 2>/dev/null; do
        for pid in "${node_pids[@]}"; do
            kill -0 "$pid" 2>/dev/null || die "Ray did not start on all nodes"
        done
        sleep 1
    done
    wait "$waiter" || exit
    rm -f "$environment_file"
}

# Let the training save a checkpoint and end.
stop() {
    [[ $training ]] || die "$1 before the training began"
    kill -TERM "$training" 2>/dev/null || true
}

# End Ray on all nodes: node.sh does on SIGTERM.
end_nodes() {
    trap '' TERM USR1
    rm -f "$environment_file"
    signal_jobs TERM
    for _ in {1..30}; do
        [[ $(jobs -pr) ]] || break
        sleep 1
    done
    signal_jobs KILL
    sleep "$end_seconds"
    end_seconds=0
}

signal_jobs() {
    local running
    mapfile -t running <<<"$(jobs -pr)"
    kill -s "$1" "${running[@]}" 2>/dev/null || true
}
