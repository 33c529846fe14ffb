"""Programs that work and judge for their owner, by the owner's own commands (docs/protocol.md 9.2 and 9.3).

`working.py` is `trust work`, `verifying.py` is `trust verify`, and both are what the sandbox's agents are made of:
`making.py` is where a worker's product comes from; `claiming.py` what every worker does with a claim. `command.py` runs
a command on a case, by way of `launcher.py`; `checking.py` is the second look of `trust explain --check`; `hand.py`
holds the key of a model's or a framework's agent, `hooks.py` is what a framework calls; `owner.py` is what an owner
allows, `spending.py` what was spent of it; `treasury.py`, `paying.py` and `door.py` are money's way in and out.
"""
