"""Sampling: generators loaded from checkpoints, interpolation, latent spaces, images and video."""
