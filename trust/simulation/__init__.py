"""The rules played out against cheats and colluders, over the real rulebook: what gets through, and at what cost."""
