"""The log: pure bytes in, bytes out; no I/O, no clock, nothing of the rest of the house.

merkle.py      RFC 9162 hashing, roots, inclusion and consistency proofs: make and verify
tiles.py       C2SP tlog-tiles: paths, entry bundles, the right edge in memory, nodes out of stored tiles
note.py        C2SP signed-note and tlog-cosignature: keys, signing, opening
checkpoint.py  C2SP tlog-checkpoint: origin, size and root as a signed note
proof.py       C2SP tlog-proof: one file that proves an entry offline
quorum.py      C2SP tlog-policy: the witnesses, and how many of them must cosign
submission.py  C2SP tlog-witness: what a log sends to a witness
ed25519.py     the one place that signs and verifies      mldsa.py  the same for witnesses' ML-DSA-44, verifying only
"""
