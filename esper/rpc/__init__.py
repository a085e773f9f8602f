"""JSON-RPC: the shapes of requests and answers, a client, and the server."""
