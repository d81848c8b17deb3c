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
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

from webhook.collecting.images import collect_facts
from webhook.core.bases.catalog import Catalog
from webhook.core.decision import decide
from webhook.core.evidence import Evidence, PlatformEvidence, verify
from webhook.core.facts import Known, Learnt, Trouble
from webhook.core.manifests import Descriptor, Malformed
from webhook.core.policy import Mode, Policy, Requirements, Rule
from webhook.core.questions import Question, ask
from webhook.core.references import Digest, ImageReference, PinnedImage
from webhook.core.rules.signatures import check_signatures
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror
from webhook.core.trust import Trust
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.layers import LayerInspector
from webhook.ports import Clock, Registry, RegistryTrouble

__all__ = ["World", "review"]

IMAGES_AT_ONCE = 16
"""Images of one object that are read at the same time: an object may name a thousand, each of several megabytes."""
ENCODING_SECONDS = 0.05
"""Kept back from the deadline for verifying and deciding on what was learnt until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside that a review may touch.

    `catalog` is the one in force, None if there is none yet; `roots` are the Sigstore roots that are refreshed in the
    background, as far as they are known.
    """

    registry: Registry
    layers: LayerInspector
    clock: Clock
    catalog: Catalog | None
    roots: Mapping[TufMirror | PublicGood, TrustRoot | Trouble] = field(default_factory=dict)
    ceiling: Mode = Mode.ENFORCE


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
    learnt = deadline - ENCODING_SECONDS
    trust = Trust(catalog=world.catalog, as_of=as_of, roots=world.roots)
    turn = asyncio.Semaphore(IMAGES_AT_ONCE)

    async def examine(reference: ImageReference, asking: tuple[Question, ...]) -> tuple[ImageReference, Evidence]:
        async with turn:
            share = workload.namespace or ""
            return await _examine(reference, asking, policy, world, trust=trust, share=share, deadline=learnt)

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


def _by_image(questions: tuple[Question, ...]) -> Mapping[ImageReference, tuple[Question, ...]]:
    """Join the questions about one image, so that it is asked about once."""
    asking: dict[ImageReference, tuple[Question, ...]] = {}
    for question in questions:
        if question.needs is not None and isinstance(question.use.image, ImageReference):
            asking[question.use.image] = (*asking.get(question.use.image, ()), question)
    return asking


async def _examine(
    reference: ImageReference,
    asking: tuple[Question, ...],
    policy: Policy,
    world: World,
    *,
    trust: Trust,
    share: str,
    deadline: float,
) -> tuple[ImageReference, Evidence]:
    """Collect and verify; once more with the layers' content where a rule is satisfied but for that."""
    needs = reduce(or_, (question.needs for question in asking if question.needs))
    facts = await collect_facts(reference, needs, world.registry, deadline=deadline)
    evidence = await asyncio.to_thread(verify, facts, policy, trust)
    pending = _pending_layers(evidence, asking)
    if not pending or not isinstance(evidence.image, Known) or evidence.image.value is None:
        return reference, evidence
    content = await _read_layers(evidence.image.value, pending, world.layers, share=share, deadline=deadline)
    facts = replace(facts, layer_diff_ids=content)
    return reference, await asyncio.to_thread(verify, facts, policy, trust)


def _pending_layers(evidence: Evidence, questions: tuple[Question, ...]) -> tuple[Descriptor, ...]:
    """Return the layers worth reading: some rule asks for the base, and the signatures it asks for are there.

    Cheap before costly: nobody makes the gate read a byte of a layer that nobody trusted has signed.
    """
    if not isinstance(evidence.platforms, Known) or not any(_worth_reading(evidence, q) for q in questions):
        return ()
    return _distinct(evidence.platforms.value)


def _worth_reading(evidence: Evidence, question: Question) -> bool:
    wanted = question.outcome
    if question.needs is None or not isinstance(wanted, Requirements):
        return False
    if wanted.base is None and not wanted.non_root:
        return False
    if wanted.signatures is None:
        return True
    return evidence.findings is not None and check_signatures(evidence.findings, wanted.signatures) is None


def _distinct(platforms: tuple[PlatformEvidence, ...]) -> tuple[Descriptor, ...]:
    return tuple({layer.digest: layer for platform in platforms for layer in platform.pending_layers}.values())


async def _read_layers(
    image: PinnedImage, layers: tuple[Descriptor, ...], inspector: LayerInspector, *, share: str, deadline: float
) -> Mapping[Digest, Learnt[Digest] | Malformed]:
    found = await asyncio.gather(
        *(_read_layer(image, layer, inspector, share=share, deadline=deadline) for layer in layers)
    )
    return dict(zip((layer.digest for layer in layers), found, strict=True))


async def _read_layer(
    image: PinnedImage, layer: Descriptor, inspector: LayerInspector, *, share: str, deadline: float
) -> Learnt[Digest] | Malformed:
    try:
        content = await inspector.diff_id(image, layer, share=share, deadline=deadline)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    return content if isinstance(content, Malformed) else Known(value=content)
