#!/bin/bash
# Trains on the nodes of a PBS job (OpenPBS, PBS Professional, Torque). From the project's folder, which all nodes see:
#   export TRAIN='--config configs/xeon.toml --data.source /shared/images --run.storage /shared/runs'
#   qsub -v TRAIN hpc/pbs.sh
#PBS -N ringcycle
#PBS -l select=8:ncpus=24
#PBS -l place=scatter:excl
# With Torque, instead of select and place: -l nodes=8:ppn=24
#PBS -l walltime=24:00:00
#PBS -j oe
#PBS -r y

# When the run stops before the time limit: it needs time for a checkpoint.
stop_minutes=10

# Makes `python` and `ray` available on all nodes: edit it if you use modules or another environment.
activate() {
    # shellcheck source=/dev/null
    source .venv/bin/activate
}

# Nothing below needs editing.
cd "${PBS_O_WORKDIR:?this is a batch script: qsub -v TRAIN hpc/pbs.sh}" || exit 1
# shellcheck source=hpc/train.sh
source hpc/train.sh || { echo "error: $PWD is not the project's folder: run qsub there" >&2; exit 1; }

# The nodefile has a line for each process that a node was asked for; pbsdsh -n counts these lines.
nodes=() lines=() line=0
while read -r name; do
    [[ " ${nodes[*]-} " == *" $name "* ]] || { nodes+=("$name") lines+=("$line"); }
    line=$((line + 1))
done <"$PBS_NODEFILE"

job=$(qstat -f "$PBS_JOBID" | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n\t//g') # long lines are folded

resource() {
    sed -n "s/^ *Resource_List\.$1 = //p" <<<"$job"
}

# pbsdsh does not hand over the environment: it is in a file that only this user can read, until all nodes have joined.
# What pbsdsh itself prints is about tasks that it ends.
start_nodes() {
    environment_file=$(mktemp "$PWD/.pbs-XXXXXXXX")
    (
        unset "${!PBS_@}" HOSTNAME TMPDIR
        export -p
    ) >"$environment_file"
    for i in "${!nodes[@]}"; do
        pbsdsh -n "${lines[i]}" -- /bin/bash "$PWD/hpc/node.sh" "${nodes[0]}" "${nodes[i]}" "$environment_file" >/dev/null &
        node_pids+=($!)
    done
}

requeue() {
    local options=() name value
    for name in select place walltime $([[ $(resource select) ]] || echo nodes); do
        value=$(resource "$name")
        [[ -z $value ]] || options+=(-l "$name=$value")
    done
    qsub -q "$PBS_O_QUEUE" -N "$PBS_JOBNAME" -v TRAIN "${options[@]}" "$0"
}

end_seconds=5 # pbsdsh passes SIGTERM on and does not wait
seconds=0
IFS=: read -ra parts <<<"$(resource walltime)"
for part in "${parts[@]}"; do
    seconds=$((seconds * 60 + 10#$part))
done
((seconds == 0)) || stop_after=$((seconds - stop_minutes * 60))

# TRAIN holds words as a shell reads them, quotes included.
[[ ${TRAIN-} ]] || die "TRAIN is not set: export TRAIN='--config …', then qsub -v TRAIN hpc/pbs.sh"
words=$(xargs printf '%s\n' <<<"$TRAIN" 2>/dev/null) || die "TRAIN: a quotation mark is not closed"
mapfile -t arguments <<<"$words"
train "${arguments[@]}"
