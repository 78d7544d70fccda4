#!/bin/bash
# Start a run on this node, one process for each GPU, or resume it if it has begun.
#
# Every node runs this with the same RUN, DATA, BATCH and EPOCHS; the Slurm, SkyPilot and Kubernetes
# files beside it do. Files of a run are written after all processes have met, so nodes that start
# at different times still agree on whether it has begun. SIGTERM saves a checkpoint and ends.
set -euo pipefail
: "${RUN:?the run folder, on a disk that all nodes share}"
: "${DATA:?the data, a path or a pattern of shards}"

if [ -e "$RUN/config.yaml" ]; then
  what=(--run "$RUN" --resume)
else
  what=(dcgan --data "$DATA" --run "$RUN" --engine torch --device cuda
    --batch "${BATCH:-512}" --epochs "${EPOCHS:-100}")
fi
# The -- keeps torchrun from taking options of ganbaru for its own.
exec torchrun --nnodes "${NODES:-1}" --node-rank "${NODE:-0}" --nproc-per-node "${GPUS:-8}" \
  --master-addr "${HEAD:-localhost}" --master-port "${PORT:-29500}" -m -- ganbaru train "${what[@]}"
