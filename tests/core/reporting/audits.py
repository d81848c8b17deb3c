"""Audits to print: a cluster of a few namespaces, two policies compared, texts of an attacker, and nothing at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.core.given import API, NOW, build, digest, policy, rule, use
from tests.core.problem_samples import RELEASE, verdict
from webhook.core.auditing.rows import Change, Fix, FixKind, Judged, Row, Seen, error_row
from webhook.core.facts import Trouble
from webhook.core.inventory.live_objects import ObjectKey
from webhook.core.policy import Exemption, Mode
from webhook.core.problems import EndOfLifeBase, InvalidReference, Problem, StaleBase, Unpinned, Unsigned, Unverifiable
from webhook.core.references import BadReference, ImageReference
from webhook.core.reporting.making import Heading
from webhook.core.verdicts import Decision, Standing, Verdict
from webhook.core.workloads import Origin, Source, Workload

__all__ = [
    "COMPARED",
    "COMPARISON",
    "FILES",
    "HEADING",
    "HOSTILE",
    "HOSTILE_TEXTS",
    "SHOP",
    "container",
    "hostile",
    "image",
    "judged",
    "live",
    "stored",
]

PRODUCTION = rule(name="production")
WATCHED = rule(name="watched", mode=Mode.WARN)
SYSTEM = rule(Exemption(reason="cluster add-ons"), name="system")
HEADING = Heading(policy=policy(), catalog_revision=digest("catalog"), generated_at=NOW, complete=True)
COMPARISON = replace(HEADING, policy=policy(name="candidate"), compared_with=policy(name="current"))

UNSIGNED = Unsigned(expected=RELEASE)
SILENT = Unverifiable(trouble=Trouble(doing="listing signatures", where="registry.example", why="no answer in time"))
OLD_BASE = build(tags=("3.13",))
HOSTILE_TEXTS = (
    "@everyone",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/x.png)",
    "[click](http://evil.example)",
    "http://evil.example/www.evil.example",
    "`@everyone`",
    "``",
    "```",
    "a | b \\| c \\\\| d",
    "</summary></details>\n\n/close",
    "```\n/assign @everyone",
    "/close",
    "- [ ] #1 !2 ~bug $3 %4 &5 sha256",
    "<!--",
    "$`x`$",
    "\x1b[31mred\x1b[0m",
    "\u202eevil",
    "\u2028line",
    "\ud800",
    "[bold]x[/bold]",
    "x" * 5_000,
    "",
)


def standing(age_days: int) -> Standing:
    """Return a base of that age."""
    return Standing(platform="linux/amd64", build=OLD_BASE, age_days=age_days)


def judged(*verdicts: Verdict, seen: Seen = Seen.SPEC, pods: int = 0, **changes: Any) -> Judged:  # noqa: ANN401 - any field of Workload
    """Return what was decided about these containers."""
    ordinary: dict[str, Any] = {
        "kind": "Deployment",
        "namespace": "prod-shop",
        "name": "api",
        "operation": "CREATE",
        "source": Source.CLUSTER,
        "uses": tuple(one.use for one in verdicts),
    }
    return Judged(
        decision=Decision(workload=Workload(**{**ordinary, **changes}), verdicts=verdicts), seen=seen, pods=pods
    )


def live(namespace: str | None, kind: str, name: str, *found: Judged, pods: int, **changes: Any) -> Row:  # noqa: ANN401 - any field of Row
    """Return the row of something that lives in a cluster."""
    key = ObjectKey(api_version="apps/v1", kind=kind, namespace=namespace, name=name, uid=f"uid-{namespace}-{name}")
    return Row(kind=kind, namespace=namespace, name=name, key=key, judged=found, pods=pods, **changes)


def stored(kind: str, name: str, *found: Judged, line: int = 1) -> Row:
    """Return the row of something that stands in a file."""
    origin = Origin(file="deploy/shop.yaml", line=line)
    return Row(kind=kind, namespace="prod-shop", name=name, judged=found, origin=origin)


def image(name: str, tag: str = "1.4.2", *, pinned: bool = True) -> ImageReference:
    """Return an image of the shop."""
    text = f"registry.example/shop/{name}:{tag}"
    return ImageReference.parse(f"{text}@{digest(name)}" if pinned else text)


def container(name: str, *problems: Problem, reference: ImageReference | None = None, **changes: Any) -> Verdict:  # noqa: ANN401 - any field of Verdict
    """Return the verdict on a container that runs the shop's image of its name."""
    shown = reference or image(name)
    ordinary: dict[str, Any] = {
        "use": use(container=name, image=shown, field="spec.template.spec.containers[0].image"),
        "rule": PRODUCTION,
        "image": shown.pinned(shown.digest or digest(name)),
        "signed_by": () if problems else ("release",),
        "standings": (standing(3),),
    }
    return verdict(*problems, **{**ordinary, **changes})


def _refused(name: str, pods: int) -> Row:
    """Return a Deployment whose image nobody signed."""
    return live("prod-shop", "Deployment", name, judged(container(name, UNSIGNED), pods=pods), pods=pods)


def _stale(platform: str) -> StaleBase:
    return StaleBase(build=OLD_BASE, age_days=75, max_age_days=60, platform=platform)


def _shop() -> tuple[Row, ...]:
    """Return an audit of three namespaces and one that may not be read."""
    tagged = image("web", pinned=False)
    newer = f"registry.example/shop/web:1.5.0@{digest('newer')}"
    fixes = {
        tagged.written: (
            Fix(kind=FixKind.BASE, write=f"dhi.io/python:3.13@{digest('base')}", says="build on the newest build"),
            Fix(kind=FixKind.NEWEST, write=newer, says="the newest tag 1.5.0 would pass"),
            Fix(kind=FixKind.PIN, write=f"{tagged.written}@{digest('web')}", says="pin what the tag means today"),
        )
    }
    problems = (Unpinned(reference=tagged, resolved=digest("web")), _stale("linux/amd64"), _stale("linux/arm64"))
    web = container("web", *problems, reference=tagged, standings=(standing(75),))
    moved = ImageReference.parse(f"{tagged.written}@{digest('yesterday')}")
    cache = container("cache", EndOfLifeBase(build=OLD_BASE, end_of_life=NOW.date()), rule=WATCHED, mode=Mode.WARN)
    agent = container("agent", rule=SYSTEM, exemption=Exemption(reason="cluster add-ons"), signed_by=(), standings=())
    return (
        *(_refused(f"worker-{number}", pods=number) for number in range(1, 12)),
        live(
            "prod-shop",
            "Deployment",
            "web",
            judged(web, container("proxy"), pods=40),
            judged(container("web", UNSIGNED, reference=moved), seen=Seen.RUNNING, pods=12),
            pods=40,
            fixes=fixes,
        ),
        live("prod-shop", "CronJob", "report", judged(container("report", SILENT)), pods=0),
        live("prod-shop", "StatefulSet", "store", judged(container("store"), pods=3), pods=3),
        live(
            "staging",
            "Deployment",
            "cache",
            judged(cache, pods=2),
            pods=2,
            notes=("pull secret `registry` may not be read by you", "what `cache` runs could not be compared"),
        ),
        live("staging", "Deployment", "api", judged(container("api"), pods=1), pods=1),
        live("kube-system", "DaemonSet", "agent", judged(agent, pods=5), pods=5),
        live("quiet", "Deployment", "fine", judged(container("fine"), pods=2), pods=2),
        error_row(
            kind="Namespace",
            namespace=None,
            name="locked",
            trouble="listing pods in locked: the API server does not allow it",
        ),
    )


def _compared() -> tuple[Row, ...]:
    """Return what changes from the present policy to a candidate."""
    refused = [replace(_refused(f"worker-{number}", pods=1), change=Change.NEWLY_REFUSED) for number in (1, 2)]
    admitted = live("staging", "Deployment", "api", judged(container("api"), pods=1), pods=1)
    same = live("quiet", "Deployment", "fine", judged(container("fine"), pods=2), pods=2)
    return (
        *refused,
        replace(admitted, change=Change.NEWLY_ADMITTED),
        *(replace(same, change=Change.SAME) for _ in range(36)),
    )


def hostile(text: str) -> Row:
    """Return a row in which everything that others write is that text."""
    bad = BadReference(written=text, why=text)
    doubt = Unverifiable(trouble=Trouble(doing=text, where=text, why=text), platform=text)
    found = verdict(
        InvalidReference(reference=bad),
        doubt,
        UNSIGNED,
        use=replace(use(container=text), image=bad),
        rule=rule(name=text),
        signed_by=(text,),
    )
    fix = Fix(kind=FixKind.NEWEST, write=text, says=text)
    workload: dict[str, Any] = {"kind": text, "namespace": text, "name": text}
    nothing = judged(no_images_because=text, **workload)
    return Row(
        **workload,
        judged=(judged(found, **workload), judged(found, seen=Seen.RUNNING, pods=1, **workload), nothing),
        key=ObjectKey(api_version=text, uid=text, **workload),
        origin=Origin(file=text, line=1),
        pods=1,
        notes=(text,),
        fixes={text: (fix,)},
    )


SHOP = _shop()
COMPARED = _compared()
HOSTILE = tuple(hostile(text) for text in HOSTILE_TEXTS)
FILES = (
    stored("Deployment", "web", judged(container("web", UNSIGNED)), line=1),
    stored("Service", "web", judged(no_images_because="Service is not a kind that holds a pod"), line=20),
    live(None, "Pod", "api", judged(verdict(use=use(image=API)), pods=1), pods=1),
)
