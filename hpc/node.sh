#!/bin/bash
# Runs Ray on one node of a batch job until it gets SIGTERM: on the first node the head, which the others join.
# Usage: node.sh FIRST [NAME ENVIRONMENT_FILE]: the first node's name, this one's (Slurm tells it), and what srun hands over by itself.
set -euo pipefail
if [[ ${3-} ]]; then
    # shellcheck source=/dev/null
    source "$3"
fi

# A function, since bash reads a script as it runs, and this file may change in that time.
main() {
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    first=$1 name=${2:-${SLURMD_NODENAME-}}

    # Short, since paths of Unix sockets have at most 107 bytes. Only this user enters it: Ray's own folder below is open to all.
    folder=$(mktemp -d "${RAY_TMPDIR:-/tmp}/rcXXXXXX")
    trap 'rm -rf "$folder"' EXIT
    cpus=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # those that the batch system leaves to this job
    options=(--block --node-name="$name" --num-cpus="$cpus" --temp-dir="$folder/ray")
    options+=(--log-color=false --include-log-monitor=false --dashboard-agent-listen-port=0)
    host=${RAY_ADDRESS%:*} port=${RAY_ADDRESS##*:}
    if [[ $name == "$first" ]]; then
        options+=(--head --node-ip-address="$host" --port="$port" --ray-client-server-port="$(python -m hpc.free_ports 1)")
        options+=(--include-dashboard=false --no-monitor) # nobody asks them, and another job may have their ports
    else
        options+=(--address="$RAY_ADDRESS")
        until (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; do sleep 1; done
    fi

    export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 # when this ends, the training has ended
    ray="" stopped=""
    trap 'stopped=1; kill -TERM "$ray" 2>/dev/null || true' TERM
    while [[ ! $stopped ]]; do
        set -m # Ray in a process group of its own
        ray start "${options[@]}" >>"$folder/start.log" 2>&1 &
        set +m
        ray=$!
        while kill -0 "$ray" 2>/dev/null && [[ ! $stopped ]]; do wait "$ray" || true; done
        if started; then break; fi
        kill -KILL -- "-$ray" 2>/dev/null || true
        # The head listens before it is ready. And Ray gives up where its processes take longer than 15 s to start, as they may when many
        # nodes read the same Python packages; it does better once they are in memory. The batch script ends this if it takes too long.
        sleep 1
    done
    if ! started; then
        echo "error: Ray did not start on $name: $(last_line)" >&2
    elif [[ ! $stopped ]]; then
        echo "error: Ray ended on $name: $(last_line)" >&2
    fi
    for _ in {1..10}; do
        kill -0 -- "-$ray" 2>/dev/null || break
        sleep 1
    done
    kill -KILL -- "-$ray" 2>/dev/null || true
    [[ $stopped ]]
}

started() {
    grep -q "Ray runtime started" "$folder/start.log"
}

last_line() {
    grep -v '^ *$' "$folder/start.log" | tail -n 1
}

main "$@"; exit
