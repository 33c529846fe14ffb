"""The answers to reads: functions of a reader (one snapshot of the database) to plain JSON values.

Ids are named as in events and statements (`claim`, `seat`, `task`), money ends in `_units`, times in `_ms`.
"""
