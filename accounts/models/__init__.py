"""Who may do what, with which number, and what they did."""

from accounts.models.audit import AuditEvent
from accounts.models.authenticator import Authenticator
from accounts.models.staff import Grant, SignInTally, User
from accounts.models.tenants import (
    KEY_SCOPES,
    ApiKey,
    BusinessAccount,
    Customer,
    KeyDay,
    Member,
    MetaApp,
    PhoneNumber,
    Tenant,
)

__all__ = [
    "KEY_SCOPES",
    "ApiKey",
    "AuditEvent",
    "Authenticator",
    "BusinessAccount",
    "Customer",
    "Grant",
    "KeyDay",
    "Member",
    "MetaApp",
    "PhoneNumber",
    "SignInTally",
    "Tenant",
    "User",
]
