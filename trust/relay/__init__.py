"""The reference relay: it offers tasks, brings claims to the service, and confirms only what the log proves.

messages.py   what is said on the wire, and its bounds      link.py        the agent's end of a connection
listening.py  sockets: HTTP and WebSocket on one port       session.py     one agent: a bounded queue, and its end
mirror.py     what the log says is open, followed           offering.py    who is offered a task, in which order
deciding.py   posts, claims and co-signatures               feed.py        every decision in a signed log of its own
group.py      the lines to the other coordinators           eligible.py    who may claim, as a co-signer knows it
batches.py    what many ask for, in one request             rest.py        what anybody reads
server.py     puts it together                              running.py     a coordinator as a process

A relay keeps no truth: whatever counts is on the service's log, so it can be killed at any time and another started.
The protocol, precise enough to write one in another language, is docs/relay.md.
"""
