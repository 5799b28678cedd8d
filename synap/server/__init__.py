"""The shells: sockets, hypercorn, and the order in which things start and stop."""
