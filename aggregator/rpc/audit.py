"""The audit log, for people."""


class AuditMethods:
    """Part of the service Admin."""
