"""Who is waited for and why: what holds an object that should go, and what a person can do about it. Pure.

Says what an object and the controllers in a survey show; reading them as they are now is left to `look/held.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.wording import displayed
from kubectl_glasskube_purge.purge.model.kinds import CLAIM, DEFINITION, NAMESPACE, POD
from kubectl_glasskube_purge.purge.model.survey import Controller, Survey

TROUBLESHOOTING = "kubectl glasskube purge help"
"""Before a heading of docs/troubleshooting.md, or the code of an error: prints what is written there."""


def is_of_kubernetes(finalizer: str) -> bool:
    """Whether a finalizer is Kubernetes' own, whose controller is always there: such as wait for something else to go.

    Those have no domain, or one of the project's (docs of Kubernetes: Labels, annotations and taints).
    """
    domain = finalizer.partition("/")[0]
    return "." not in domain or f".{domain}".endswith((".kubernetes.io", ".k8s.io"))


_INSTANCES = "customresourcecleanup.apiextensions.k8s.io"
_IN_USE = "kubernetes.io/pvc-protection"


@dataclass(frozen=True)
class Held:
    """Why an object is still there."""

    found: Found
    why: str
    next_step: str
    """For people: what they can do, with the place where more is written."""
    hopeless: bool = False
    """Whether no controller can end it, or the controller has reported that it failed."""
    controller: Controller | None = None
    """Flux's, that has to drop the finalizer."""


def has_gone(found: Found) -> Held:
    """An object that vanished since it was last seen."""
    return Held(found, "has just gone", _again("no-progress"))


def unreadable(found: Found, why: str) -> Held:
    """An object that is still there for an unknown reason."""
    return Held(found, f"can't be looked at: {why}", _again("unreadable"))


def explain(found: Found, survey: Survey, pods: Collection[Found] | None = None) -> Held:
    """Why an object is still there, from what it and the controllers in `survey` show; `pods` use the claim it is."""
    why = reason(found, survey) if pods is None else _used_by(pods)
    controller = survey.flux_controller(found) if facts.FLUX_FINALIZER in found.finalizers else None
    return Held(found, why, next_step(found, survey), is_hopeless(found, survey), controller)


def is_held_by_pods(found: Found) -> bool:
    """Whether it is a volume claim that waits for the Pods that use it."""
    return found.ref.group_kind == CLAIM and found.terminating and _IN_USE in found.finalizers


# -- why


def reason(found: Found, survey: Survey) -> str:
    """Why an object that should go is still there, as far as it and the survey tell."""
    if not found.terminating:
        return "waits for the garbage collector" if found.owners else "isn't deleted yet"
    said = _said(found)
    if facts.FLUX_FINALIZER in found.finalizers:
        controller = survey.flux_controller(found)
        state = controller.state + (f" ({controller.why})" if controller.why else "")
        return f"keeps finalizer {facts.FLUX_FINALIZER}; {controller.ref.name} is {state}{said}"
    if facts.PACKAGE_FINALIZER in found.finalizers:
        return f"keeps finalizer {facts.PACKAGE_FINALIZER}; the operator is {survey.operator.state}{said}"
    if foreign := foreign_finalizers(found):
        return f"keeps finalizer {', '.join(foreign)}{said}"
    if _INSTANCES in found.finalizers:
        return f"waits for its instances to go{said}"
    if found.ref.group_kind == CLAIM and _IN_USE in found.finalizers:
        return f"is in use by a Pod (finalizer {_IN_USE})"
    if found.finalizers:
        return f"keeps finalizer {', '.join(found.finalizers)}{said}"
    if found.ref.group_kind == NAMESPACE:
        return f"is Terminating{said}" if said else "is Terminating: Kubernetes removes what is in it"
    if found.ref.group_kind == POD and (node := found.get("spec", "nodeName")):
        return f"is being ended by node {node}"
    return "is being deleted"


def foreign_finalizers(found: Found) -> tuple[str, ...]:
    """The finalizers that aren't Kubernetes' own; a namespace's `spec.finalizers` among them, where it was read whole.

    Glasskube's and Flux's count as foreign here: who may drop which is decided elsewhere.
    """
    named = (*found.finalizers, *(found.get("spec", "finalizers") or () if found.ref.group_kind == NAMESPACE else ()))
    return tuple(dict.fromkeys(str(name) for name in named if not is_of_kubernetes(str(name))))


_TROUBLES = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
)
"""A Terminating namespace's conditions that are True when something is the matter."""

_FINAL_TROUBLES = frozenset(_TROUBLES[:3])
"""Those that end only when something else is fixed."""

_UNINSTALL_FAILED = "UninstallFailed"
_INSTANCES_FAILED = "InstanceDeletionFailed"


def _said(found: Found) -> str:
    """What an object's conditions say is the matter, e.g. ` (Some content in the namespace has finalizers …)`."""
    messages = [
        str(condition.get("message") or condition.get("reason"))
        for condition in found.get("status", "conditions") or ()
        if (condition.get("type") in _TROUBLES and condition.get("status") == "True")
        or (condition.get("type") in ("Ready", "Released") and condition.get("status") == "False")
        or (condition.get("type") == "Terminating" and condition.get("reason") == _INSTANCES_FAILED)
    ]
    return f" ({'; '.join(dict.fromkeys(messages))})" if messages else ""


def _has(found: Found, *reasons: str) -> bool:
    return any(condition.get("reason") in reasons for condition in found.get("status", "conditions") or ())


def is_hopeless(found: Found, survey: Survey) -> bool:
    """Whether waiting longer is no use, as far as the object and the controllers' state tell."""
    if facts.FLUX_FINALIZER in found.finalizers:
        return not survey.flux_controller(found).running or _has(found, _UNINSTALL_FAILED)
    if found.ref.group_kind == NAMESPACE:
        conditions = found.get("status", "conditions") or ()
        return any(c.get("type") in _FINAL_TROUBLES and c.get("status") == "True" for c in conditions)
    return found.ref.group_kind == DEFINITION and _has(found, _INSTANCES_FAILED)


def _used_by(pods: Collection[Found]) -> str:
    if not pods:
        return f"keeps finalizer {_IN_USE}, though no Pod uses it any more"
    ending = [pod for pod in pods if pod.terminating and pod.get("spec", "nodeName")]
    if len(ending) == len(pods):
        node = ending[0].get("spec", "nodeName")
        return f"is in use by {displayed(pod.ref for pod in pods)}, which node {node} has to end"
    return f"is in use by {displayed(pod.ref for pod in pods)}"


def most_telling(pending: Collection[tuple[Found, bool]]) -> Found:
    """Of what is left, the object that others wait for.

    `pending` says of each whether it was deleted by request. First what a
    finalizer holds that isn't Kubernetes' own, then what Kubernetes holds, what was
    deleted by request before what follows from it.
    """

    def rank(entry: tuple[Found, bool]) -> tuple[bool, bool, bool, bool, Ref]:
        found, direct = entry
        held = found.terminating and bool(found.finalizers)
        foreign = found.terminating and bool(foreign_finalizers(found))
        ending = found.terminating and found.ref.group_kind == POD
        return (not foreign, not ending, not held, not direct, found.ref)

    return min(pending, key=rank)[0]


def held_too(pending: Iterable[Found], told: Found) -> str:
    """Whatever else a finalizer holds that isn't Kubernetes' own, in words to be put behind those on `told`."""
    others = sorted(f.ref for f in pending if f.terminating and foreign_finalizers(f) and f.ref != told.ref)
    return f"; held by finalizers, too: {displayed(others)}" if others else ""


# -- what to do


def _again(anchor: str) -> str:
    return f"Run this again once it can go on. More: {TROUBLESHOOTING} {anchor}"


def next_step(found: Found, survey: Survey) -> str:
    """What a person can do about an object that doesn't go."""
    more = f"More: {TROUBLESHOOTING}"
    namespace = f" -n {found.ref.namespace}" if found.ref.namespace else ""
    if facts.FLUX_FINALIZER in found.finalizers:
        controller = survey.flux_controller(found)
        if not found.terminating:
            return _again("no-progress")
        if controller.running:
            return (
                f"See kubectl describe{namespace} {found.ref}, fix what it names, and run this again; or give up "
                f"the chart's clean uninstall with --force-finalizers={facts.FLUX_FINALIZER}. {more} uninstall-failed"
            )
        start = f"Start {controller.ref.name}"
        if controller.found is not None and controller.replicas == 0:
            start += f" (kubectl scale -n {facts.FLUX_NAMESPACE} deployment/{controller.ref.name} --replicas=1)"
        consent = "--force-finalizers" + ("" if controller.gone else f"={facts.FLUX_FINALIZER}")
        return (
            f"{start} and run this again; or give up the charts' clean uninstall with {consent}. "
            f"{more} helmrelease-finalizer"
        )
    if foreign_finalizers(found) and found.terminating:
        consent = f"--force-finalizers={','.join(foreign_finalizers(found))}"
        return (
            f"The finalizer's controller has to drop it (kubectl get{namespace} {found.ref} -o yaml shows it); "
            f"run this again, or with {consent}. {more} foreign-finalizer"
        )
    if found.ref.group_kind == NAMESPACE:
        return f"See kubectl get {found.ref} -o yaml, fix what its conditions name, run this again. {more} namespace"
    if found.ref.group_kind == DEFINITION and _has(found, _INSTANCES_FAILED):
        return f"See kubectl describe {found.ref}, fix what it names, run this again. {more} conversion-webhook"
    if found.ref.group_kind == CLAIM and _IN_USE in found.finalizers:
        return f"See kubectl describe{namespace} {found.ref}: the Pods that use it have to end. {more} volume-in-use"
    if found.ref.group_kind == POD and found.terminating:
        return (
            "If its node is gone for good, end it by kubectl delete --force "
            f"--grace-period=0{namespace} {found.ref}. {more} volume-in-use"
        )
    return _again("no-progress")
