"""`trust mcp`: a model's hands, a local MCP server with one agent's key in it (docs/mcp.md).

The key's holder is `programs/hand.py`: client, limits, what is due. `reading.py` and `acting.py` are the tools,
`marking.py` how the words of others are shown, `server.py` the process. Needs the extra `mcp`.
"""
