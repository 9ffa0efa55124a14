"""Talking to the server: where it is (`session`, `embedded`), the key (`keys`), HTTP (`transport`), and one module
of typed calls a noun (`tasks`, `compute`, `storage`, `catalogue`, `users`)."""
