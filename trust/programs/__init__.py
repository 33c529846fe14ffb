"""Programs that work and judge for their owner, by the owner's own commands (docs/protocol.md 9.2 and 9.3).

`command.py` runs a command on a case, by way of `launcher.py`; `working.py` is `trust work`, `verifying.py` is `trust
verify`, `checking.py` the second look of `trust explain --check`; `hand.py` holds the key of a model's or a framework's
agent, `hooks.py` is what a framework calls; `owner.py` is what an owner allows, `spending.py` what was spent of it.
"""
