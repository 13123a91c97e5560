"""Dropcopy, a self-hosted broker gateway: orders in over REST, live broker context out over one gRPC stream.

Import direction (kept by import-linter): cli > node > config > rest, rpc, store, bus, brokers > flow >
wire, observe > ports > domain > errors. Siblings never import each other.
"""
