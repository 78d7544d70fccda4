"""The DCGAN as users of PyTorch, TensorFlow and JAX write it, without us: what we measure against.

All have the kernels (4x4, and 3x3 over odd sides), batch norm, Adam and losses of our `dcgan`, and
the same work in a step: one D update on reals and fresh fakes, scored apart, and one G update on
fresh latents (but for `pytorch_example`, whose G learns from the fakes that D has judged). Each
file has ``step(size, channels, width, batch)``, which returns a function that makes a step and
returns the losses of D and G.
"""

LATENT = 100
RATE = 2e-4
BETAS = (0.5, 0.999)
SLOPE = 0.2  # of leaky ReLU
EPSILON = 1e-5  # of batch norm
POOL = 4  # batches of random images that take turns


def maps(size: int, width: int) -> tuple[int, list[int], list[int]]:
    """Return the innermost side, and the feature maps and kernels of halvings, outermost first."""
    counts: list[int] = []
    kernels: list[int] = []
    while size >= 7:
        kernels.append(3 if size % 2 else 4)
        counts.append(width * min(2 ** len(counts), 8))
        size = (size + 1) // 2
    return size, counts, kernels
