"""The GAN itself: objectives, penalties, optimizers, schedules, batches and the training step."""
