"""A video of your own: any path through latents and labels, frame by frame.

python -m examples.film [STEPS]
"""

import sys

import numpy as np

import ganbaru
from ganbaru.sampling import image_io, video


def walk(generator, frames):
    """Yield a grid for each frame: all labels side by side, with the same latent."""
    start, end = generator.latents([0, 1])
    classes = range(len(generator.classes))
    for share in np.linspace(0, 1, frames):
        # Cosine and sine preserve the norm of normal latents; a straight line would shrink it.
        latent = np.cos(share * np.pi / 2) * start + np.sin(share * np.pi / 2) * end
        latents = np.repeat(latent[None], len(classes), axis=0).astype(np.float32)
        images = image_io.to_bytes(generator.floats(latents, np.array(classes)))
        yield image_io.enlarge(image_io.grid(images, columns=5), least=320)


def main(steps: int = 1500) -> None:
    """Train on handwritten digits and write the video."""
    run = ganbaru.train(ganbaru.from_preset("digits", steps=steps))
    path = run / "walk.gif"
    write = video.writer(path, fps=20)
    write(walk(ganbaru.load(run), frames=40))
    print(f"look at {path}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
