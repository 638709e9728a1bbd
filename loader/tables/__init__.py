"""Published files, read back: who wrote them, of what, and which offsets they hold."""
