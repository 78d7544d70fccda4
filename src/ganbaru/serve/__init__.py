"""The HTTP service: images and films on request, the playground, and live pages of runs.

A request passes `protocol` (deadlines, head size), `middleware` (host, key, body size) and a route
of `api` or `web`. `image_service` and `film_service` prepare latents and labels, `batching` runs
the generator in one thread. `run_status` reads the runs' folders that `pages` shows.
"""
