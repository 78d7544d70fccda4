#!/bin/bash
# sbatch --nodes 4 --export ALL,RUN=/shared/runs/big,DATA='/shared/set/s-{0000..0099}.tar' slurm.sh
#SBATCH --job-name=ganbaru
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
# 180 s before its end the job gets SIGTERM, saves and is queued again; it then resumes.
set -euo pipefail
export NODES=$SLURM_NNODES GPUS=$SLURM_GPUS_ON_NODE
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export HEAD PORT=$((20000 + SLURM_JOB_ID % 20000))
here=${CLUSTER:-$SLURM_SUBMIT_DIR}  # the folder of train.sh

code=0
srun --kill-on-bad-exit=1 bash -c "NODE=\$SLURM_NODEID exec bash '$here/train.sh'" || code=$?
if [ "$code" -eq 143 ]; then  # ended by SIGTERM
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
