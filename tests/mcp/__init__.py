"""A model's hands: the tools of `trust mcp`, as the SDK's own client calls them."""
