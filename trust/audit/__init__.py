"""The stranger: fetches a log, verifies every hash and signature, decides every entry again.

Specified in docs/architecture.md 2.5.
"""
