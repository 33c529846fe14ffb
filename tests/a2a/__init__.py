"""Agents that speak A2A, with the SDK's own client over loopback; frameworks with models that are fakes."""
