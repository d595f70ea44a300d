"""Documents of a bundle: drafts, filled as far as the run knows, marked for persons."""

from consilience.clinic.documents.hazards import Hazard, hazards
from consilience.clinic.documents.writing import (
    Document,
    document_bundle,
    open_places,
    write_documents,
)

__all__ = ["Document", "Hazard", "document_bundle", "hazards", "open_places", "write_documents"]
