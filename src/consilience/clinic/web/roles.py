"""Who may do what: the one place where roles get their permissions."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consilience.clinic.store.records import Role


class Permission(Enum):
    """Something that not everybody may do."""

    PATIENTS = "see patients and answer advice"
    UPLOAD = "bring patients in"
    PRACTICE = "see the indicators of all patients"
    MODEL = "see the model's page"
    DRIFT = "see whether patients have drifted from those of the study"
    AUDIT = "see who saw what"
    USERS = "manage who may sign in"


ROLES: MappingProxyType[Role, frozenset[Permission]] = MappingProxyType(
    {
        "clinician": frozenset(
            {Permission.PATIENTS, Permission.UPLOAD, Permission.PRACTICE, Permission.MODEL}
        ),
        "auditor": frozenset({Permission.AUDIT, Permission.MODEL}),
        "administrator": frozenset(Permission),
    }
)
"""Permissions of each role.

A clinician sees no audit trail, an auditor no patient's page. An administrator may do
everything, as in a practice of one; what he looks at stands in the trail as well.
"""


def may(role: str, permission: Permission) -> bool:
    """Return whether a role has a permission; an unknown role has none."""
    return any(known == role and permission in its for known, its in ROLES.items())
