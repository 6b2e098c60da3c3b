"""Local stand-ins for the providers: real sockets, the real shapes of requests and answers, no network.

`server.running(shape)` serves one provider's shape; the modules named after the providers are the shapes.
"""
