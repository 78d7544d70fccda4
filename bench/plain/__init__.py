"""The DCGAN as users of PyTorch, TensorFlow and JAX write it, without us: what we measure against.

All have the 4x4 kernels, batch norm, Adam and losses of our `dcgan`, and the same work in a step:
one D update on reals and fresh fakes, scored apart, and one G update on fresh latents. Each file
has ``step(width, channels, batch)``, which returns a function that makes a step and returns the
losses of D and G.
"""

LATENT = 100
SIZE = 64
RATE = 2e-4
BETAS = (0.5, 0.999)
SLOPE = 0.2  # of leaky ReLU
EPSILON = 1e-5  # of batch norm
POOL = 4  # batches of random images that take turns
