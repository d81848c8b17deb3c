"""The one door: collect what the rule needs to know, verify it, decide. Webhook, check, audit and demo all enter here.

1. `questions.ask` says which rule speaks about each image and what must be learnt; exempt images are not contacted.
2. Each distinct image is asked about once, all of them at the same time, until the deadline.
3. `evidence.verify` judges the bytes, in a thread: cryptography would hold up the other reviews.
4. Where the signatures suffice and only the base's bytes are unproven, the layers are read; what does not fit into
   the deadline goes on in the background.
5. `decision.decide` decides. It is asked nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from webhook.core.bases.catalog import Catalog
from webhook.core.decision import decide
from webhook.core.evidence import Evidence
from webhook.core.facts import Trouble
from webhook.core.policy import Mode, Policy, Rule
from webhook.core.questions import Question, ask
from webhook.core.references import ImageReference
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror
from webhook.core.trust import Trust
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.examining import Examinations, Examiner
from webhook.layers import LayerInspector
from webhook.ports import Clock, Registry

__all__ = ["World", "found_out", "review"]

IMAGES_AT_ONCE = 16
"""Images of one object that are read at the same time: an object may name a thousand, each of several megabytes."""
ENCODING_SECONDS = 0.05
"""Kept back from the deadline for verifying and deciding on what was learnt until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside that a review may touch.

    `catalog` is the one in force, None if there is none yet; `roots` are the Sigstore roots that are refreshed in the
    background, as far as they are known. With `examinations`, an image that another review of the run has asked about
    is not asked about again.
    """

    registry: Registry
    layers: LayerInspector
    clock: Clock
    catalog: Catalog | None
    roots: Mapping[TufMirror | PublicGood, TrustRoot | Trouble] = field(default_factory=dict)
    ceiling: Mode = Mode.ENFORCE
    examinations: Examinations | None = None


async def review(
    workload: Workload,
    policy: Policy,
    world: World,
    *,
    deadline: float,
    never_denies: bool = False,
    rule: Rule | None = None,
) -> Decision:
    """Decide about a workload before `deadline` (an instant in seconds on `Clock.monotonic()`).

    Whatever could not be learnt by then is `unverifiable`. `rule` replaces the rule that the namespace picks. Raises
    nothing but our own faults.
    """
    as_of = world.clock.now()
    questions = ask(workload, policy, as_of, rule=rule)
    examiner = Examiner(
        registry=world.registry,
        layers=world.layers,
        policy=policy,
        trust=Trust(catalog=world.catalog, as_of=as_of, roots=world.roots),
        share=workload.namespace or "",
        deadline=deadline - ENCODING_SECONDS,
    )
    turn = asyncio.Semaphore(IMAGES_AT_ONCE)

    async def examine(reference: ImageReference, asking: tuple[Question, ...]) -> tuple[ImageReference, Evidence]:
        first = partial(examiner.examine, reference, asking)
        async with turn:
            remembered = world.examinations.once(reference, asking, first) if world.examinations else first()
            return reference, await remembered

    images = await asyncio.gather(*(examine(*pair) for pair in _by_image(questions).items()))
    return decide(
        workload,
        policy,
        dict(images),
        as_of=as_of,
        ceiling=world.ceiling,
        never_denies=never_denies,
        rule=rule,
    )


def found_out(
    workload: Workload, policy: Policy, world: World, *, rule: Rule | None = None
) -> Mapping[ImageReference, Evidence]:
    """Return what reviews of the run have found out about the images of a workload, by what it has to be asked.

    An image of which nothing has to be found out is not in it, and none is without a memory of the run.
    """
    if world.examinations is None:
        return {}
    questions = ask(workload, policy, world.clock.now(), rule=rule)
    found = {image: world.examinations.answer_to(asking, image) for image, asking in _by_image(questions).items()}
    return {image: evidence for image, evidence in found.items() if evidence is not None}


def _by_image(questions: tuple[Question, ...]) -> Mapping[ImageReference, tuple[Question, ...]]:
    """Join the questions about one image, so that it is asked about once."""
    asking: dict[ImageReference, tuple[Question, ...]] = {}
    for question in questions:
        if question.needs is not None and isinstance(question.use.image, ImageReference):
            asking[question.use.image] = (*asking.get(question.use.image, ()), question)
    return asking
