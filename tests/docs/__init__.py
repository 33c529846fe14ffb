"""What the specification in `docs/` says, made from the code and held to it."""
