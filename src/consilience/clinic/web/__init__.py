"""The pages of decision support: server-rendered, plain forms, for people who sign in."""

from consilience.clinic.web.settings import OidcSettings, WebSettings

__all__ = ["OidcSettings", "WebSettings"]
