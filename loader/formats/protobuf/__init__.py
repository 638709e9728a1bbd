"""Protocol Buffers: messages on the wire to typed columns, without an object for each."""
