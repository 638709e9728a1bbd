"""Avro: schemas to columns, and values into them by a kernel that runs a program per writer's schema."""
