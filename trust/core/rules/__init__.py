"""The acts of the rulebook, by subject: what a statement, a draw, a seal or a due date leads to.

Each act reads a `decision.Decision`, refuses or emits events. The mathematics of drawing is `core/sampling/`, which
knows nothing of the rules; `core/rulebook.py` is the one door to them.
"""
