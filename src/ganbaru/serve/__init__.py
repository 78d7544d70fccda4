"""The service: pictures and films over HTTP, the playground, and the live pages of runs.

A request passes `gate` (who may ask, how much), `posts` (what is asked, `asked`), `making` (latents
and labels), `batching` (the one thread that computes) and leaves as a `replies.Reply`. Pages are
made by `pages` of what `live` reads in a run's folder. `server` puts it on a socket.
"""
