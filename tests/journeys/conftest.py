"""Databases for the tests beside this."""

from tests.storage.stores import database, migrated_url, sqlite_template

__all__ = ["database", "migrated_url", "sqlite_template"]
