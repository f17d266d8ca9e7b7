"""Attempts in processes of their own: what runs in them, and the runner that asks for them.

The processes themselves are the engine's business (`wtb-worker`): who forks whom, who ends whom,
and what travels between them. Here is what has to be Python: packing a job so that another process
can unpack it (`packing`), what a template imports (`preload`), forking it (`template`), and making
attempts in the fork (`worker`).
"""
