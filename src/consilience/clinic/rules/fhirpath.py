"""FHIRPath as rules may use it: checked strictly when a rule is loaded, compiled once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from consilience.errors import suggestion
from consilience.extras import require

#: What a rule may call. Left out: the clock of the machine (`now`, `today`: use %today),
#: regular expressions and walks over the whole tree (both can run without bound), printing.
FUNCTIONS = frozenset(
    [
        "abs",
        "all",
        "allFalse",
        "allTrue",
        "anyFalse",
        "anyTrue",
        "as",
        "ceiling",
        "coalesce",
        "combine",
        "contains",
        "convertsToBoolean",
        "convertsToDate",
        "convertsToDateTime",
        "convertsToDecimal",
        "convertsToInteger",
        "convertsToQuantity",
        "convertsToString",
        "count",
        "distinct",
        "empty",
        "endsWith",
        "exclude",
        "exists",
        "extension",
        "first",
        "floor",
        "iif",
        "indexOf",
        "intersect",
        "is",
        "isDistinct",
        "last",
        "length",
        "lower",
        "max",
        "min",
        "not",
        "ofType",
        "replace",
        "round",
        "select",
        "single",
        "skip",
        "startsWith",
        "subsetOf",
        "substring",
        "sum",
        "supersetOf",
        "tail",
        "take",
        "toBoolean",
        "toDate",
        "toDateTime",
        "toDecimal",
        "toInteger",
        "toQuantity",
        "toString",
        "trim",
        "truncate",
        "union",
        "upper",
        "where",
    ]
)

#: What stands for parts of a patient's record, beside FHIRPath's own %context and %resource.
VARIABLES = (
    "age",
    "allergies",
    "conditions",
    "immunizations",
    "medications",
    "observations",
    "patient",
    "procedures",
    "today",
)
LONGEST = 600

Expression = Callable[[Any, Mapping[str, Any]], list[Any]]


class RuleError(ValueError):
    """A rule's own mistake, told without anything of the patient's record."""


def _strict_parse(text: str) -> None:
    """Refuse what the grammar does not allow; fhirpathpy's own parser passes over it."""
    antlr4 = require("antlr4", extra="clinic", purpose="FHIRPath in rules")
    from antlr4.error.ErrorListener import (  # type: ignore[import-untyped, unused-ignore]
        ErrorListener,
    )
    from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
    from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

    class Refusing(ErrorListener):  # type: ignore[misc, unused-ignore]
        """Raises at the first error."""

        def syntaxError(self, *found: Any) -> None:  # noqa: N802 (antlr4's name)
            raise ValueError(f"not FHIRPath, at character {found[3] + 1}: {found[4]}")

    lexer = FHIRPathLexer(antlr4.InputStream(text))
    parser = FHIRPathParser(antlr4.CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(Refusing())
    parser.entireExpression()  # type: ignore[no-untyped-call, unused-ignore]


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, Mapping):
        yield tree
        for child in tree.get("children", ()):
            yield from _nodes(child)


def _first_identifier(node: Mapping[str, Any]) -> str:
    for part in _nodes(node):
        if part.get("type") == "Identifier":
            return str(part["terminalNodeText"][0]).strip("`")
    return ""


def _check(tree: Any) -> None:
    for node in _nodes(tree):
        if node.get("type") == "Functn":
            name = _first_identifier(node)
            if name not in FUNCTIONS:
                hint = " Use %today." if name in {"now", "today"} else suggestion(name, FUNCTIONS)
                raise ValueError(f"{name}() is not a function that rules may use.{hint}")
        if node.get("type") == "ExternalConstant":
            name = _first_identifier(node)
            known = (*VARIABLES, "context", "resource", "ucum")
            if name not in known:
                raise ValueError(f"unknown variable %{name}.{suggestion(name, known)}")


@functools.lru_cache(maxsize=4096)
def compiled(text: str) -> Expression:
    """Return an expression as a function of a resource and the variables.

    Raises
    ------
    ValueError
        If it is not FHIRPath, too long, or calls what rules may not call.
    MissingExtraError
        If `fhirpathpy` is not installed.
    """
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    fhirpathpy = require("fhirpathpy", extra="clinic", purpose="FHIRPath in rules")
    _strict_parse(text)
    _check(fhirpathpy.parse(text))
    function: Expression = fhirpathpy.compile(text)
    return function


def is_true(text: str, resource: Any, variables: Mapping[str, Any]) -> bool:
    """Return whether an expression gives exactly `true`.

    Raises
    ------
    RuleError
        If it gives something that is neither true, false nor nothing: a rule that means
        "there is one" says `.exists()`.
    """
    found = compiled(text)(resource, variables)
    if not found:
        return False
    if len(found) == 1 and isinstance(found[0], bool):
        return found[0]
    raise RuleError("the FHIRPath gives a value, not true or false; end it with .exists()")
