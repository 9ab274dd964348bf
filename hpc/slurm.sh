#!/bin/bash
# Trains on the nodes of a Slurm job (Slurm 20.11 or newer). From the project's folder, which all nodes see:
#   sbatch hpc/slurm.sh --config configs/xeon.toml --data.source /shared/images --run.storage /shared/runs
#SBATCH --job-name=ringcycle
#SBATCH --nodes=8
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --output=ringcycle-%j.log
# When the run stops before the time limit, in seconds: it needs time for a checkpoint.
#SBATCH --signal=B:USR1@600
# For runs that continue: in the queue again with the same log, and a lost node does not end the job.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --no-kill

# Makes `python` and `ray` available on all nodes: edit it if you use modules or another environment.
activate() {
    # shellcheck source=/dev/null
    source .venv/bin/activate
}

# Nothing below needs editing.
cd "${SLURM_SUBMIT_DIR:?this is a batch script: sbatch hpc/slurm.sh …}" || exit 1
# shellcheck source=hpc/train.sh
source hpc/train.sh || { echo "error: $PWD is not the project's folder: run sbatch there" >&2; exit 1; }
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
mapfile -t nodes <<<"$hosts"

# One step with a task on each node. It shares the CPUs with this script (--overlap), its task may use all of the job's
# CPUs (--cpu-bind=none), and it outlives a node (--no-kill).
start_nodes() {
    srun --overlap --no-kill --export=ALL --cpu-bind=none --nodes="${#nodes[@]}" --ntasks="${#nodes[@]}" --ntasks-per-node=1 \
        bash hpc/node.sh "${nodes[0]}" &
    node_pids=($!)
}

requeue() {
    scontrol requeue "$SLURM_JOB_ID"
}

train "$@"
