"""Inside the latent space: the latent of a given picture."""
