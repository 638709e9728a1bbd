"""What local services fail with."""


class ServiceError(Exception):
    """A service did not do what was asked; the message says why in words for a person, and what to do."""
