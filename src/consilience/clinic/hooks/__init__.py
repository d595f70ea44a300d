"""The door inside the record system: CDS Hooks 2.0."""

from consilience.clinic.hooks.router import hooks_router
from consilience.clinic.hooks.settings import HookSettings

__all__ = ["HookSettings", "hooks_router"]
