"""What processes of tests share: everything that `trust serve` imports, and the routes of its API."""

import gc

from trust import app
from trust.api.application import application
from trust.cli import serve
from trust.web.pages import pages

__all__ = ["app", "application", "pages", "serve"]

# What is shared stays shared: no fork walks it to look for cycles, which would copy it too.
gc.collect()
gc.freeze()
