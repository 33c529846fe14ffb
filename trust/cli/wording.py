"""The service's and the parsers' words in the language of the command line: hints name commands, not HTTP, and what a
text must look like is said in words, not as a regular expression."""

from __future__ import annotations

import re

HINTS = {
    "malformed": "correct what detail names",
    "invalid-utf8": "write it in UTF-8",
    "unknown-kind": "a release of trust that fits the service's is needed: trust --version",
    "bad-parameter": "correct the argument that detail names",
    "wrong-endpoint": "a release of trust that fits the service's is needed: trust --version",
    "foreign-network": "give the --vkey of this service's network, as trust policy show names it",
    "not-seated": "vote with the seats that trust check list shows",
    "unknown-path": "a newer service, or another address, is needed: check --url",
    "unknown-agent": "register it first: trust agent register",
    "unknown-relay": "the operator registers it first: trust relay register",
    "unknown-task": "check its id; trust task post posts one",
    "unknown-claim": "check its id: trust claim request prints it",
    "unknown-seat": "trust check list shows the seats there are",
    "unknown-withdrawal": "check its id: trust stake withdraw prints it",
    "unknown-entry": "the log is not that long yet",
    "unknown-blob": "whoever has the bytes stores them: trust output submit, or trust task post, does",
    "method-not-allowed": "a release of trust that fits the service's is needed: trust --version",
    "not-acceptable": "a release of trust that fits the service's is needed: trust --version",
    "unsupported-type": "a release of trust that fits the service's is needed: trust --version",
    "repeated": "this statement is on the log already",
    "already-allocated": "a task is allocated once; trust task show says who may claim it",
    "convicted-already": "this fact is on the log already",
    "bad-signature": "check that --key is the party's, and --actor its id",
    "rate-limited": "wait a little, then run the same again",
    "overloaded": "nothing was done: wait a little, then run the same again",
    "storage-full": "nothing was done: the operator must make room; then run the same again",
    "clock-in-doubt": "nothing was done: the operator must see to the service's clock; then run the same again",
    "no-quorum": "too few witnesses have cosigned yet: wait a little, then run the same again",
    "behind": "this replica has not seen that log size yet: run the same again",
    "shutting-down": "the service stops: wait until it is up again, then run the same again",
}
"""Hints about codes for whoever types commands; codes that are not here have hints that fit everybody."""

_REGEX = re.compile(r"Expected `str` matching regex '((?:[^'\\]|\\.)*)'")
_LOOKS = {
    "^did:key:": "a DID, such as did:key:z6Mk...",
    "^[a-z]{3,4}_[a-z2-7]{26}": "an id, such as clm_ and 26 letters and digits",
    "^[0-9a-f]{64}": "64 hex digits",
    "^[a-z0-9][a-z0-9-]{1,31}": "2 to 32 lower-case letters, digits and dashes",
    "^[a-z0-9][a-z0-9._-]{0,63}": "up to 64 lower-case letters, digits, dots and dashes, a letter or digit first",
    "^[ !#-": "a text of up to 256 ASCII characters, without quotation marks and backslashes",
    "^[!#-": "an address of ASCII characters without spaces",
    "^[A-Za-z0-9:/._-]+": "an account: a DID, @handle or operator/bond",
    "^[0-9A-Za-z]+": "letters and digits",
}


def worded(text: str) -> str:
    """A sentence of a parser without its regular expressions."""
    return _REGEX.sub(lambda found: f"expected {_look(found[1])}", text)


def _look(pattern: str) -> str:
    return next(
        (words for begin, words in _LOOKS.items() if pattern.startswith(begin)), "a text of another form"
    )


def hint_for(code: str, hint: str) -> str:
    """Returns the hint about a code in the language of the command line."""
    return HINTS.get(code, hint)
