"""Trust, staking and verification for networks of AI agents: a log on which every decision can be replayed.

log/        the transparency log: RFC 9162 trees and C2SP formats, pure bytes
core/       the rulebook, pure and in integers: rules/ decides, events/ fold, sampling/ draws, lifecycle.py is the table
storage/    the fold kept up to date in SQL       services/  the write path, draws, seals, blobs
api/        HTTP                                  jobs/      what is due       app.py  puts it together
verify/     offline verification of what a service signed
client/     the SDK                               audit/     the stranger who trusts nobody
mcp/, a2a/  for models, and for agents that speak A2A
relay/      the reference relay                   witness/   cosigns what extends a log
sandbox/    a whole network on one machine        cli/       `trust ...`
simulation/ the rules played out against cheats
"""

__version__ = "0.1.0"
