"""HTTP: one controller for each audience, one answer for every mistake (docs/protocol.md 5).

`edge` is what every request passes; `relay`, `agent`, `auditor` and `operator` are the controllers; `views` are the
answers as they are read from the database; `problems` turns every error into RFC 9457.
"""
