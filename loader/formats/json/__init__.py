"""JSON objects to typed columns, by kernels: no Python object is made of a record."""
