"""Finding out about one image: collect, verify, and read its layers where only the base's bytes are unproven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from types import TracebackType
from typing import Any, Self

from webhook.collecting.images import collect_facts
from webhook.core.evidence import Evidence, PlatformEvidence, verify
from webhook.core.facts import Known, Learnt
from webhook.core.manifests import Descriptor, Malformed
from webhook.core.policy import Policy, Requirements
from webhook.core.questions import Question
from webhook.core.references import Digest, ImageReference, PinnedImage
from webhook.core.rules.signatures import check_signatures
from webhook.core.trust import Trust
from webhook.layers import LayerInspector
from webhook.ports import Registry, RegistryTrouble

__all__ = ["Examinations", "Examiner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """What is needed to find out about images for one review. `share` is in whose turn layers are read."""

    registry: Registry
    layers: LayerInspector
    policy: Policy
    trust: Trust
    share: str
    deadline: float

    async def examine(self, reference: ImageReference, asking: tuple[Question, ...]) -> Evidence:
        """Collect and verify; once more with the layers' content where a rule is satisfied but for that.

        `asking` are the questions of the review that this image has to answer.
        """
        needs = reduce(or_, (question.needs for question in asking if question.needs))
        facts = await collect_facts(reference, needs, self.registry, deadline=self.deadline)
        evidence = await asyncio.to_thread(verify, facts, self.policy, self.trust)
        pending = _pending_layers(evidence, asking)
        if not pending or not isinstance(evidence.image, Known) or evidence.image.value is None:
            return evidence
        content = await self._read_layers(evidence.image.value, pending)
        facts = replace(facts, layer_diff_ids=content)
        return await asyncio.to_thread(verify, facts, self.policy, self.trust)

    async def _read_layers(
        self, image: PinnedImage, layers: tuple[Descriptor, ...]
    ) -> Mapping[Digest, Learnt[Digest] | Malformed]:
        found = await asyncio.gather(*(self._read_layer(image, layer) for layer in layers))
        return dict(zip((layer.digest for layer in layers), found, strict=True))

    async def _read_layer(self, image: PinnedImage, layer: Descriptor) -> Learnt[Digest] | Malformed:
        try:
            content = await self.layers.diff_id(image, layer, share=self.share, deadline=self.deadline)
        except RegistryTrouble as trouble:
            return trouble.as_trouble()
        return content if isinstance(content, Malformed) else Known(value=content)


_Asked = frozenset[tuple[object, object]]
"""What is asked about an image: what each rule requires, and what has to be learnt for that."""


class Examinations:
    """What was found out in one run, so that each image is asked about once, however many objects name it.

    For a run under one policy, one catalog, one set of roots and one instant; trouble is remembered like everything
    else, because a run that tells two things about one image helps nobody. An async context manager, which belongs to
    one event loop.
    """

    def __init__(self) -> None:
        self._tasks: dict[ImageReference, dict[_Asked, asyncio.Task[Evidence]]] = {}

    async def __aenter__(self) -> Self:
        """Begin with nothing."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop what is under way."""
        tasks = tuple(task for asked in self._tasks.values() for task in asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def once(
        self,
        reference: ImageReference,
        asking: tuple[Question, ...],
        examine: Callable[[], Coroutine[Any, Any, Evidence]],
    ) -> Evidence:
        """Return what `examine` returns: this call's, or that of the first who asked the same about this image."""
        tasks = self._tasks.setdefault(reference, {})
        key = _asked(asking)
        if key not in tasks:
            tasks[key] = asyncio.create_task(examine())
        # Whoever gives up waiting leaves the question to the others who wait for it.
        return await asyncio.shield(tasks[key])

    def about(self, reference: ImageReference) -> Evidence | None:
        """Return what was found out about an image, the most that was asked; None if nobody asked."""
        done = (task for task in self._tasks.get(reference, {}).values() if task.done() and not task.cancelled())
        found = [task.result() for task in done if task.exception() is None]
        return next((evidence for evidence in found if evidence.platforms is not None), next(iter(found), None))

    def answer_to(self, asking: tuple[Question, ...], reference: ImageReference) -> Evidence | None:
        """Return what was found out for who asked this about an image, or this and little more; None if nobody did.

        What was found out for other questions is no answer: a tag may have moved between the two.
        """
        wanted = _asked(asking)
        found = {
            key: task.result()
            for key, task in self._tasks.get(reference, {}).items()
            if wanted <= key and task.done() and not task.cancelled() and task.exception() is None
        }
        return found[min(found, key=len)] if found else None


def _asked(asking: tuple[Question, ...]) -> _Asked:
    return frozenset((question.outcome, question.needs) for question in asking)


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
