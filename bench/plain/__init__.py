"""Plain DCGANs in PyTorch, TensorFlow and JAX, the reference of the benchmarks.

All have the kernels (4x4, and 3x3 over odd sides), batch norm, Adam and losses of our `dcgan`, and
the same work in a step: one D update on reals and new fakes, in separate batches, and one G update
on new latents (except `pytorch_example`, whose G update reuses the fakes of D's). Each
file has ``step(size, channels, width, batch)``, which returns a function that makes a step and
returns the losses of D and G.
"""

LATENT = 100
RATE = 2e-4
BETAS = (0.5, 0.999)
SLOPE = 0.2  # of leaky ReLU
EPSILON = 1e-5  # of batch norm
POOL = 4  # batches of random images, used in turn


def maps(size: int, width: int) -> tuple[int, list[int], list[int]]:
    """Return the innermost side, and the feature maps and kernels of halvings, outermost first."""
    counts: list[int] = []
    kernels: list[int] = []
    while size >= 7:
        kernels.append(3 if size % 2 else 4)
        counts.append(width * min(2 ** len(counts), 8))
        size = (size + 1) // 2
    return size, counts, kernels
