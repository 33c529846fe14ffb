"""Programs that work for their owner: what runs an owner's command on a case (docs/protocol.md 9.2)."""
