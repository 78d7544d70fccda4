"""Training runs: setup from a configuration, the loop, checkpoints, run folders and signals."""
