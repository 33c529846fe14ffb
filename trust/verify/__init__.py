"""Offline verification: what a file proves, under the log's key that the caller brings. Nothing here sends anything.

files.py      verifies a file of any kind           receipts.py   receipts, refusals, relay confirmations
bundles.py    everything that proves one claim      history.py, replay.py, steps.py   the replay of a bundle
scores.py     score files of other networks         forks.py, evidence.py             evidence of misbehaviour
rotations.py  from a log key to its successors      quorum.py     whether enough witnesses cosigned
cases.py      what a bundle proves, as data         failures.py   why something was not accepted
"""
