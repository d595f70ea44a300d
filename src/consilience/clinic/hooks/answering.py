"""One call from what was sent to what is answered: kept and written down before it is said."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from consilience.clinic.hooks.body import parsed
from consilience.clinic.hooks.cards import MOST_TESTS, Card, Setting, cards_of, late_card
from consilience.clinic.hooks.discovery import Service
from consilience.clinic.hooks.feedback import FeedbackCall, answer_of
from consilience.clinic.hooks.offers import Offers
from consilience.clinic.hooks.prefetch import Allowed, Record, record_of
from consilience.clinic.hooks.reliance import founded
from consilience.clinic.hooks.requests import HookCall, read_as
from consilience.clinic.hooks.tokens import Caller
from consilience.clinic.hooks.workers import Turn, Workers
from consilience.clinic.store.records import Card as KeptCard
from consilience.clinic.store.records import UnknownPatient

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic
    from consilience.clinic.served import Served
    from consilience.records import Assessment

MOST_KEYS = 10_000


@dataclass
class Underway:
    """A call that is being answered, and how far it is.

    Attributes
    ----------
    service : Service
    caller : Caller
    turn : Turn
        Who answers: the job, or the clock that ran out.
    call : HookCall, optional
        Once it was read.
    record : Record, optional
        Once the patient's data were there.
    """

    service: Service
    caller: Caller
    turn: Turn = field(default_factory=Turn)
    call: HookCall | None = None
    record: Record | None = None


class Answering:
    """Answers calls over a clinic.

    Parameters
    ----------
    clinic : Clinic
    allowed : Allowed
        FHIR servers that may be asked.
    slow, quick : Workers
        For answers, and for what is short: tokens, feedback, the word that it takes longer.
    """

    def __init__(self, clinic: Clinic, allowed: Allowed, slow: Workers, quick: Workers) -> None:
        self._clinic, self._allowed = clinic, allowed
        self._slow, self._quick = slow, quick
        self._keys: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def answer(self, service: Service, caller: Caller, body: bytes, begun: float) -> Any:
        """Return the answer to a call: cards, or a card that says where they will be.

        Parameters
        ----------
        service : Service
        caller : Caller
        body : bytes
        begun : float
            When the call came, by `time.monotonic`.

        Raises
        ------
        Refusal
            If the call cannot be answered.
        StoreUnavailable
            If nothing could be kept; then nothing is said.
        """
        underway = Underway(service, caller)
        left = max(0.0, begun + self._clinic.settings.budget - time.monotonic())
        job = partial(self._answered, underway, body)
        waiting = self._slow.begin(job)
        try:
            return await self._slow.ended(waiting, left)
        except TimeoutError:
            if not underway.turn.take():  # ready in this very moment: only being written down
                return await self._slow.ended(waiting)
            return await self._quick.run(partial(self._late, underway, body))

    def feedback(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Keep what was answered to cards.

        Raises
        ------
        Refusal
            404 if one of the cards was never shown to this caller; then nothing is kept.
        StoreUnavailable
            If it could not be kept; then it is not acknowledged.
        """
        sent = read_as(FeedbackCall, parsed(body))
        store, now = self._clinic.store, self._clinic.settings.now()
        answers = [
            answer_of(one, store.cards.get(caller.tenant, str(one.card)), caller.tenant, caller.who)
            for one in sent.feedback
        ]
        jobs = []
        for answer in answers:
            written = self._clinic.audit.writing(
                caller.who,
                f"answered: {answer.outcome}",
                tenant=caller.tenant,
                patient=answer.patient,
                model=answer.model or None,
                detail={"card": answer.card, "rule": answer.rule, "door": "feedback"},
                at=now,
            )
            jobs += [store.answers.keeping(answer), written]
        store.access.write_all(jobs)  # all, or none
        return {"kept": len(answers)}

    def _answered(self, underway: Underway, body: bytes) -> dict[str, Any]:
        """Return cards; all that is done of a call, from its body on."""
        call = read_as(underway.service.call, parsed(body))
        underway.call = call
        underway.record = record = record_of(call, underway.service, self._allowed)
        assessment = self._assessment(underway, call, record)
        if not underway.turn.take():
            return {}  # the clock ran out; the page has it
        page = self._page(underway, record)
        offers = Offers(self._clinic.rules, assessment.patient, record.resources, call.drafts())
        setting = replace(
            self._setting(underway.service, page, assessment.bundle),
            codes=_codes(self._clinic.served(), assessment),
            offers=offers.of,
            unread=record.unread,
        )
        return self._shown(underway, call, assessment.model, cards_of(assessment, setting))

    def _assessment(self, underway: Underway, call: HookCall, record: Record) -> Assessment:
        tenant, who = underway.caller.tenant, _who(underway.caller, call)
        hook, rules = underway.service.hook, self._clinic.rules
        if underway.service.tells_number:
            said = self._clinic.consult(tenant, who, record.bundle, hook=hook).assessment
        else:
            begun = time.perf_counter()
            found = self._clinic.look(record.with_drafts(call.drafts()), hook=hook, quick=True)
            said = found.assessment
            # Drafts are no part of the record until they are signed.
            name, kept = found.mapped.name, record.bundle
            self._clinic.store.patients.keep(tenant, said.patient, name, kept, said.at)
            self._clinic.monitor.seen(said, time.perf_counter() - begun, hook)
        return said.model_copy(update={"advice": founded(said.advice, rules, record.unread)})

    def _late(self, underway: Underway, body: bytes) -> dict[str, Any]:
        """Say where the answer will be."""
        call = underway.call or read_as(underway.service.call, parsed(body))
        served = self._clinic.served()
        page = (
            f"{self._base}/worklist"
            if underway.record is None
            else self._page(underway, underway.record)
        )
        setting = self._setting(underway.service, page, served.bundle.manifest.name)
        return self._shown(underway, call, served.fingerprint, (late_card(setting),))

    def _shown(
        self, underway: Underway, call: HookCall, model: str, cards: tuple[Card, ...]
    ) -> dict[str, Any]:
        """Remember cards, write down that they are shown, and return them."""
        tenant, now = underway.caller.tenant, self._clinic.settings.now()
        patient = call.context.patient_id
        at = now.isoformat()
        kept = [KeptCard(tenant, one.uuid, patient, one.rule, model, at) for one in cards]
        written = self._clinic.audit.writing(
            _who(underway.caller, call),
            "shown",
            tenant=tenant,
            patient=patient,
            model=model,
            detail={
                "door": call.hook,
                "call": str(call.hook_instance),
                "cards": [{"card": one.uuid, "rule": one.rule} for one in cards],
            },
            at=now,
        )
        self._clinic.store.access.write_all([self._clinic.store.cards.keeping(kept), written])
        return {"cards": [one.shown for one in cards]}

    def _setting(self, service: Service, page: str, source: str) -> Setting:
        return Setting(
            page=page,
            source=source,
            base=self._base,
            tells_number=service.tells_number,
        )

    @property
    def _base(self) -> str:
        return self._clinic.settings.audience.rstrip("/")

    def _page(self, underway: Underway, record: Record) -> str:
        """Return the address of the patient's page; a key stands there, never his id."""
        from consilience.clinic.fhir.person import name_of

        tenant, patient = underway.caller.tenant, str(record.patient["id"])
        key = self._keys.get((tenant, patient))
        patients = self._clinic.store.patients
        if key is None:
            try:
                key = patients.get(tenant, patient).key
            except UnknownPatient:  # late: he is new, and his assessment is still being made
                name, now = name_of(record.patient), self._clinic.settings.now()
                key = patients.keep(tenant, patient, name, record.bundle, now).key
            self._keys[(tenant, patient)] = key
            while len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        return f"{self._base}/patients/{key}"


def _codes(served: Served, assessment: Assessment) -> dict[tuple[str, str | None], tuple[str, ...]]:
    """Return the codes of what is worth measuring; none where the bundle was just replaced."""
    if served.fingerprint != assessment.model:
        return {}
    wanted = {(test.modality, test.feature) for test in assessment.missing[:MOST_TESTS]}
    return {
        (modality.name, feature.name): feature.codes
        for modality in served.bundle.schema.modalities
        if any(name == modality.name for name, _ in wanted)
        for feature in modality.features
        if (modality.name, feature.name) in wanted
    }


def _who(caller: Caller, call: HookCall) -> str:
    """Return who asks: the user, as his record system vouches for him."""
    return f"{call.context.user_id} of {caller.who}"
