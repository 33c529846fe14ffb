"""The service's periodic jobs: a name, an interval, one call (APScheduler 3); nothing else.

Every call is safe to make twice and in two processes at once: what was done already is refused by the rules, or finds
nothing to do. After each commit the calls that follow from the log are made at once, so that the intervals only
matter when a hint was lost.
"""
