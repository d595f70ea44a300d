"""How OpenAPI describes the hooks: the models that read them, with nothing left to look up."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
DISCOVERED = {
    "type": "object",
    "properties": {"services": {"type": "array", "items": {"type": "object"}}},
    "required": ["services"],
}
CARDS = {
    "type": "object",
    "properties": {
        "cards": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "uuid": {"type": "string", "format": "uuid"},
                    "summary": {"type": "string", "minLength": 1, "maxLength": 139},
                    "indicator": {"enum": ["info", "warning", "critical"]},
                    "detail": {"type": "string"},
                    "source": {"type": "object", "required": ["label"]},
                },
                "required": ["summary", "indicator", "source"],
            },
        }
    },
    "required": ["cards"],
}
KEPT = {
    "type": "object",
    "properties": {"kept": {"type": "integer", "minimum": 1}},
    "required": ["kept"],
}
REFUSALS = {
    400: "The call cannot be read, or is not what the specification asks for.",
    401: "There is no signed token that can be believed.",
    404: "There is no such service, or no such card.",
    405: "The address is not called in this way.",
    412: "Prefetched data are missing, and could not be fetched.",
    413: "The body is too large.",
    415: "The body is compressed, or no JSON.",
    503: "Nothing could be kept, or too many calls wait; try again.",
}


def body_of(*kinds: type[BaseModel]) -> dict[str, Any]:
    """Return what a request's body is, for OpenAPI."""
    schemas = [_inlined(kind.model_json_schema()) for kind in kinds]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def answers(schema: dict[str, Any], *refused: int) -> dict[int | str, dict[str, Any]]:
    """Return what may be answered, for OpenAPI."""

    def of(words: str, shape: dict[str, Any]) -> dict[str, Any]:
        return {"description": words, "content": {"application/json": {"schema": shape}}}

    told: dict[int | str, dict[str, Any]] = {200: of("The answer.", schema)}
    return told | {status: of(REFUSALS[status], ERROR) for status in refused}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its definitions in the places that refer to them."""
    known = schema.get("$defs", {})

    def within(part: Any) -> Any:
        if isinstance(part, list):
            return [within(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return within(known[part["$ref"].rpartition("/")[2]])
        return {key: within(one) for key, one in part.items() if key != "$defs"}

    inlined: dict[str, Any] = within(schema)
    return inlined
