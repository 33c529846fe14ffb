"""Attacks on the rules by whoever plays them for gain, each with what came of it before and what comes of it now.

The figures before are of rules 1, which no network ever ran on.
"""
