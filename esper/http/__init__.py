"""HTTP/1.1 on trio: listening, connections, limits, routes. What is answered is others' affair."""
