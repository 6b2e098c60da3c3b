"""Demo data: believable accounts with 90 days of usage, for an empty database that is not in production."""

from alwrity_billing.demo.creation import Creation, create, is_wanted
from alwrity_billing.demo.credentials_file import DemoCredentials, credentials

__all__ = ["Creation", "DemoCredentials", "create", "credentials", "is_wanted"]
