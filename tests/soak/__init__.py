"""A job among everything that can go wrong, for as long as one likes, checked after every cycle."""
