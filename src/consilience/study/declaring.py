"""From a candidate as `study.toml` declares it to one that can be fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from sklearn.utils import get_tags

from consilience import fusion
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, MissingExtraError, listing, suggestion
from consilience.fusion.base import Fusion
from consilience.fusion.deep import DeepFusion
from consilience.fusion.embedding import Embedding
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.nn.training import Training, need_torch
from consilience.study import learners
from consilience.study.candidates import Candidate
from consilience.study.learners import Recipe
from consilience.study.protocol import Protocol

if TYPE_CHECKING:
    from consilience.study.settings import CandidateSettings

USUAL_LEARNER = "ridge"
MADE_IN_PYTHON = ("Encoder", "EncoderSettings", "TorchModule")
"""Exported by `consilience.nn.encoders`, and nothing that a file could declare."""


def methods() -> dict[str, type[Fusion]]:
    """Return the fusion methods that a study can name: all that are exported."""
    exported = {name: getattr(fusion, name) for name in fusion.__all__}
    return {
        name: thing
        for name, thing in exported.items()
        if isinstance(thing, type) and issubclass(thing, Fusion) and thing is not TunedFusion
    }


def declared(settings: CandidateSettings, kind: OutcomeKind, protocol: Protocol) -> Candidate:
    """Return the candidate that a part of `study.toml` declares.

    Parameters
    ----------
    settings : CandidateSettings
    kind : {"binary", "multiclass", "continuous", "survival"}
        Of the outcome.
    protocol : Protocol
        Its inner folds and seed are those on which settings are chosen.

    Raises
    ------
    InputError
        Naming the key and what is allowed there.
    """
    method = _named(methods(), settings.method, "method")
    if kind not in method.learns:
        raise InputError(
            f"method: {settings.method} cannot learn an outcome that is {kind}; it learns "
            f"{listing(sorted(method.learns))}."
        )
    learner = _learner(settings, method, kind, protocol)
    _check_options(settings, method)
    model = _made(method, kind, {**learner, **_with_parts(settings, method)})
    if kind not in get_tags(model).outcomes:
        raise InputError(
            f"options: with them {settings.method} does not learn an outcome that is {kind}."
        )
    return Candidate(settings.name, _tuned(settings, model, protocol))


def _learner(
    settings: CandidateSettings, method: type[Fusion], kind: OutcomeKind, protocol: Protocol
) -> dict[str, Any]:
    """Return the learner as a parameter, or nothing for a method that needs none."""
    if "learner" not in method._get_param_names():
        for key, value in (("learner", settings.learner), ("tune", settings.tune)):
            if value is not None:
                raise InputError(
                    f"{key}: {settings.method} learns the outcome itself and has no learner; "
                    "leave the line out (`grid` is for the method's own settings)."
                )
        return {}
    recipes = {name: getattr(learners, name) for name in learners.__all__}
    recipe: Recipe = _named(recipes, settings.learner or USUAL_LEARNER, "learner")(kind)
    tuned = recipe.tuned(folds=protocol.inner_folds, seed=protocol.seed, grid=settings.tune)
    return {"learner": tuned}


def _check_options(settings: CandidateSettings, method: type[Fusion]) -> None:
    _check_known(settings.options, method, "options")
    for key in settings.grid or {}:
        if key in settings.options:
            raise InputError(f"grid: {key!r} stands in options too; give it in one of them.")


def _check_known(options: Mapping[str, Any], method: type[Fusion], where: str) -> None:
    deep = issubclass(method, DeepFusion)  # their encoders are settings, with names
    barred = () if deep else ("encoders",)
    allowed = [key for key in method._get_param_names() if key not in ("learner", *barred)]
    _check_keys(options, allowed, f"{where}: {method.__name__}")


def _check_keys(given: Mapping[str, Any], allowed: Sequence[str], whose: str) -> None:
    for key in given:
        if key not in allowed:
            raise InputError(
                f"{whose} has no option {key!r}; it has "
                f"{listing(allowed, most=20)}.{suggestion(key, allowed)}"
            )


def _with_parts(settings: CandidateSettings, method: type[Fusion]) -> dict[str, Any]:
    """Return options with objects in place of the names and tables that stand for them.

    Which options are embeddings or settings of training is told by the annotations of the
    method's constructor. A deep method whose seed is not given has the study's.
    """
    options, hints = dict(settings.options), get_type_hints(method.__init__)
    for key in {name.partition("__")[0] for name in settings.grid or {} if "__" in name}:
        if _maker(hints.get(key)) is _training:  # so that there is something to set
            options.setdefault(key, {})
    for key, value in options.items():
        if make := _maker(hints.get(key)):
            options[key] = make(key, value)
    if issubclass(method, DeepFusion):
        options.setdefault("random_state", None)
        if isinstance(options.get("encoders"), Mapping):
            options["encoders"] = _encoders(options["encoders"])
    return options


def _maker(hint: Any) -> Callable[[str, Any], Any] | None:
    """Return what makes an object of an option with such an annotation, if it has to be made."""
    makers = {Embedding: _embedding, Training: _training}
    return next((makers[part] for part in (hint, *get_args(hint)) if part in makers), None)


def _embedding(key: str, value: Any) -> Embedding:
    own = dict(value) if isinstance(value, Mapping) else {"method": value}
    known = {name: one for name, one in methods().items() if issubclass(one, Embedding)}
    chosen = _named(known, own.pop("method", ""), f"options: {key}: method")
    _check_known(own, chosen, f"options: {key}")
    model: Embedding = chosen(**own)
    try:
        model.check_settings()
    except InputError as reason:
        raise InputError(f"options: {key}: {reason}") from reason
    return model


def _training(key: str, value: Any) -> Training:
    if not isinstance(value, Mapping):
        raise InputError(f"options: {key} must be a table, such as {{ max_epochs = 100 }}.")
    _check_keys(value, Training._get_param_names(), f"options: {key}")
    made = Training(**value)
    try:
        made.check()
    except InputError as reason:
        raise InputError(f"options: {reason}") from reason
    return made


def _encoders(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return encoders by modality, made from their names or tables of a name and settings.

    Without the extra they stay names: the candidate will say what to install.
    """
    try:
        need_torch()
    except MissingExtraError:
        return dict(given)
    from consilience.nn import encoders

    known = {n: getattr(encoders, n) for n in encoders.__all__ if n not in MADE_IN_PYTHON}
    known = {name: one for name, one in known.items() if isinstance(one, type)}
    made = {}
    for modality, value in given.items():
        where = f"options: encoders: {modality}"
        own = dict(value) if isinstance(value, Mapping) else {"encoder": value}
        chosen = _named(known, own.pop("encoder", ""), f"{where}: encoder")
        _check_keys(own, chosen._get_param_names(), f"{where}: {chosen.__name__}")
        made[modality] = chosen(**own)
    return made


def _made(method: type[Fusion], kind: OutcomeKind, options: Mapping[str, Any]) -> Fusion:
    try:
        model = method.for_outcome(kind, **options)
        _check(model)
    except InputError as reason:
        raise InputError(f"options: {reason}") from reason
    return model


def _check(model: Fusion) -> None:
    """Check a method's settings; one that lacks an extra says so when it is fitted, and alone."""
    try:
        model.check_settings()
    except InputError as reason:
        if not isinstance(reason, MissingExtraError) and not isinstance(
            reason.__cause__, MissingExtraError
        ):
            raise


def _tuned(settings: CandidateSettings, model: Fusion, protocol: Protocol) -> Fusion:
    """Return the method, made to choose its own settings where there are any to choose from."""
    grid: Mapping[str, Sequence[Any]] = settings.grid if settings.grid is not None else model.grid
    free = {key: list(values) for key, values in grid.items() if key not in settings.options}
    if not free:
        return model
    tuned = TunedFusion(
        model,
        free,
        modalities=model.modalities if hasattr(model, "modalities") else None,
        folds=protocol.inner_folds,
        random_state=protocol.seed,
    )
    _check(tuned)
    return tuned


def _named(known: Mapping[str, Any], name: str, key: str) -> Any:
    if not isinstance(name, str) or name not in known:  # a file may hold a list there
        raise InputError(
            f"{key}: {name!r} is none of {listing(known, most=40)}.{suggestion(name, known)}"
        )
    return known[name]
