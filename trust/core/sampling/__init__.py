"""The mathematics of drawing: verifiable randomness, weighted picks from a sealed pool, items, the check rate.

Pure functions of their arguments; nothing here knows the state, the events or the rules.
"""
