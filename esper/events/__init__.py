"""What happens in a node, told to programs outside: a log, sockets, streams, and ZeroMQ."""
