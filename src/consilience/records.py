"""What is said of one patient: one form for library, command line, web and audit log.

Every record is frozen through and through (tuples, no dicts), hashable, and goes to JSON
and back unchanged: ``record.model_dump_json()`` and ``Prediction.model_validate_json(text)``.
"""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Advice",
    "Assessment",
    "Change",
    "Citation",
    "ClassProbability",
    "Contribution",
    "Counterfactual",
    "Explanation",
    "Interval",
    "MissingTest",
    "Option",
    "Prediction",
    "SurvivalAt",
    "Unmapped",
]

Kind: TypeAlias = Literal["binary", "multiclass", "continuous", "survival"]


class Record(BaseModel):
    """A frozen record; unknown keys and numbers that JSON cannot write are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassProbability(Record):
    """The probability of one class."""

    label: str
    probability: float = Field(ge=0, le=1)


class SurvivalAt(Record):
    """The probability of being event-free beyond a time, in the outcome's unit."""

    time: float = Field(ge=0)
    probability: float = Field(ge=0, le=1)


class Prediction(Record):
    """What a model says of one patient.

    Parameters
    ----------
    patient : str
        His id.
    outcome : str
        What is predicted.
    kind : {"binary", "multiclass", "continuous", "survival"}
        It says which of the values below are given.
    probabilities : tuple of ClassProbability
        Of every class, adding up to 1 (binary, multiclass).
    value : float, optional
        The number (continuous), in `unit`.
    risk : float, optional
        Expected time lost before the last time of the model, in `unit`; higher is
        worse (survival).
    survival : tuple of SurvivalAt
        At the model's horizons (survival).
    unit : str
        Of the value, or of the times.
    informed : bool
        False where nothing was measured that the model reads: then the values are
        what is known of everybody, and say nothing of this patient.
    sources : tuple of str
        The modalities that it rests on.
    warnings : tuple of str
        What the reader should know before relying on it.
    model : str
        The fingerprint of the model, SHA-256 of its file.

    Raises
    ------
    ValidationError
        If the values do not belong to the kind.

    Examples
    --------
    >>> from consilience.records import Prediction
    >>> said = Prediction(
    ...     patient="p1", outcome="los", kind="continuous", value=4.5, unit="days",
    ...     informed=True, sources=("labs",), model="ab12",
    ... )
    >>> Prediction.model_validate_json(said.model_dump_json()) == said
    True
    """

    patient: str
    outcome: str
    kind: Kind
    probabilities: tuple[ClassProbability, ...] = ()
    value: float | None = None
    risk: float | None = None
    survival: tuple[SurvivalAt, ...] = ()
    unit: str = ""
    informed: bool
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    model: str

    @model_validator(mode="after")
    def _values_belong_to_the_kind(self) -> Self:
        given = (bool(self.probabilities), self.value is not None, self.risk is not None)
        classes = (True, False, False)
        due = {"continuous": (False, True, False), "survival": (False, False, True)}
        if given != due.get(self.kind, classes) or (self.survival and self.risk is None):
            raise ValueError(f"the values are not those of a {self.kind} outcome")
        total = sum(part.probability for part in self.probabilities)
        if self.probabilities and abs(total - 1) > 1e-6:
            raise ValueError(f"the probabilities add up to {total:g}, not to 1")
        return self

    def probability_of(self, label: str) -> float:
        """Return the probability of a class.

        Raises
        ------
        KeyError
            If the outcome has no such class.
        """
        found = {part.label: part.probability for part in self.probabilities}
        return found[label]


class Contribution(Record):
    """How far one thing moved a prediction."""

    modality: str
    feature: str | None = Field(None, description="None: the modality as a whole")
    value: str | None = Field(None, description="what was measured, as text, with its unit")
    usual: str | None = Field(None, description="its reference range, as text")
    effect: float = Field(description="in the scale of the explanation; positive raises it")
    sentence: str = Field("", description="the same for a clinician to read")


class Explanation(Record):
    """Why a model says what it says of one patient.

    Parameters
    ----------
    patient, outcome, model
        As in the prediction it explains.
    method : str
        How the contributions were found, in words.
    scale : str
        What the effects are measured in: "log odds", or the outcome's unit.
    baseline : float
        What is said of everybody; baseline and effects add up to the prediction where
        the method is additive.
    contributions : tuple of Contribution
        The largest first.
    """

    patient: str
    outcome: str
    model: str
    method: str
    scale: str
    baseline: float
    contributions: tuple[Contribution, ...]
    warnings: tuple[str, ...] = ()


class Interval(Record):
    """A range with the share of patients whose truth lies in it.

    `low` or `high` is None where the range has no end on that side.
    """

    low: float | None = None
    high: float | None = None
    level: float = Field(gt=0, lt=1)


class Change(Record):
    """One value that would be another."""

    modality: str
    feature: str
    before: str = Field(description="with its unit")
    after: str = Field(description="with its unit")


class Counterfactual(Record):
    """What would have to be different for another answer, of what care can change.

    It says what the model would answer, never what a treatment would do.
    """

    changes: tuple[Change, ...]
    before: float = Field(description="the answer now, in the number that is shown")
    after: float = Field(description="the answer then")
    sentence: str = ""


class MissingTest(Record):
    """Something not measured, and how far its result is expected to move the answer."""

    modality: str
    feature: str | None = Field(None, description="None: the modality as a whole")
    change: float = Field(ge=0, description="expected absolute change of the number shown")
    low: float = Field(description="the number shown, at the 5th percentile of what may come")
    high: float = Field(description="the number shown, at the 95th percentile")
    cost: float | None = None
    sentence: str = ""


class Option(Record):
    """What a model answers if a patient had one treatment or another.

    It compares patients who were given one with patients who were given another, and
    those differed in more than that: it is not the effect of the treatment.
    """

    modality: str
    feature: str
    treatment: str
    number: float = Field(description="the number that is shown")
    given: bool = Field(False, description="whether it is the one on record")
    sentence: str = ""


class Unmapped(Record):
    """Something in a patient's record that was not taken over, and why."""

    resource: str = Field(description="such as Observation/123, or the code it carries")
    reason: str
    asked: bool = Field(
        True, description="whether the model lacks it: not so of what it never reads, or has newer"
    )


class Citation(Record):
    """Where a rule comes from."""

    title: str
    organisation: str
    year: int
    url: str
    strength: str = Field("", description="of the recommendation, as its authors grade it")


class Advice(Record):
    """What a rule says of a patient, for the person who decides.

    Parameters
    ----------
    patient : str
        His id.
    rule : str
        The rule that was applied, by name and version.
    urgency : {"info", "warning", "critical"}
        As in CDS Hooks.
    sentence : str
        What is advised.
    domain : {"management", "prescribing", "prevention", "stewardship", "model"}
        What kind of rule it is; "model" where it rests on a prediction alone.
    reasons : tuple of str
        What it rests on, a sentence each.
    source : Citation, optional
        The guideline.
    prediction : Prediction, optional
        What the rule was given.
    explanation : Explanation, optional
        Why the model says so.
    """

    patient: str
    rule: str
    urgency: Literal["info", "warning", "critical"]
    sentence: str
    domain: Literal["management", "prescribing", "prevention", "stewardship", "model"] = "model"
    reasons: tuple[str, ...] = ()
    source: Citation | None = None
    prediction: Prediction | None = None
    explanation: Explanation | None = None

    @model_validator(mode="after")
    def _of_one_patient(self) -> Self:
        given = (self.prediction, self.explanation)
        if {one.patient for one in given if one is not None} - {self.patient}:
            raise ValueError("advice, prediction and explanation are of different patients")
        return self


class Assessment(Record):
    """All that is said of one patient at one time: what the page shows, and the hook returns.

    Parameters
    ----------
    patient : str
        His id.
    bundle : str
        The bundle's name.
    model : str
        Fingerprint of the model. Every part of an assessment is of this one model.
    at : str
        When, ISO 8601 with the time zone.
    number : float, optional
        What is shown: the probability of the event, of the likeliest class, or the value.
        None where the model is silent.
    says : str
        What the number is, such as "probability of death within 1,095 days".
    level : {"low", "middle", "high"}, optional
        Of risk, against the patients of the study.
    interval : Interval, optional
        Around the number (continuous), or a bound on the time (survival).
    classes : tuple of str
        Those that cannot be ruled out at the level of `interval` or of the study
        (conformal set), the likeliest first.
    silent : tuple of str
        Why no number is told; empty where there is one.
    """

    patient: str
    bundle: str
    model: str
    at: str
    outcome: str
    number: float | None = None
    says: str = ""
    level: Literal["low", "middle", "high"] | None = None
    interval: Interval | None = None
    classes: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    prediction: Prediction | None = None
    explanation: Explanation | None = None
    counterfactuals: tuple[Counterfactual, ...] = ()
    missing: tuple[MissingTest, ...] = ()
    options: tuple[Option, ...] = ()
    advice: tuple[Advice, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _silent_or_not(self) -> Self:
        if (self.number is None) != bool(self.silent):
            raise ValueError("an assessment tells a number, or why it tells none")
        return self
