"""The stranger: fetches a log, verifies every hash and signature, decides every entry again (design.md 2.5)."""
