"""Which objects a survey keeps: a cluster has many more than those that have to do with Glasskube. Pure.

Lists of every kind are read, because ownerReferences may stand anywhere. Kept are Glasskube's and Flux's own kinds,
and what is owned, labelled, named in a release or lives in a namespace of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import BUILT_IN_GROUPS, Resource
from kubectl_glasskube_purge.purge.judge.ownership import chart_of, named_by, source_of
from kubectl_glasskube_purge.purge.model.kinds import (
    API_SERVICE,
    AUTOSCALER,
    BINDINGS,
    CLAIM,
    CLUSTER_ROLE,
    CSI_DRIVER,
    DEFINITION,
    DEPLOYMENT,
    GATEWAY,
    GATEWAY_CLASS,
    INGRESS,
    INGRESS_CLASS,
    JOB,
    NAMESPACE,
    POD,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    STORAGE_CLASS,
    VOLUME,
)

_GLASSKUBE = frozenset(facts.GLASSKUBE_GROUP_KINDS)
_FLUX = frozenset(facts.FLUX_GROUP_KINDS)
_ALWAYS_WHOLE = _GLASSKUBE | _FLUX | {API_SERVICE, CLAIM, VOLUME, INGRESS, JOB, NAMESPACE, *BINDINGS}
_CLASSES = frozenset({INGRESS_CLASS, GATEWAY_CLASS, STORAGE_CLASS, CSI_DRIVER, RUNTIME_CLASS, PRIORITY_CLASS})
FIRST = _GLASSKUBE | _CLASSES | {NAMESPACE, DEFINITION, CLUSTER_ROLE, API_SERVICE}
"""Kinds that show which objects of the others matter."""
ROOTS = FIRST | _FLUX
"""With Flux's, of which there may be many, and few matter."""
_CHOOSERS = {GATEWAY_CLASS: GATEWAY, RUNTIME_CLASS: POD, PRIORITY_CLASS: POD, API_SERVICE: AUTOSCALER}
"""What a package may bring → the kind whose spec shows what relies on it."""


def whole(roots: Mapping[Ref, Found]) -> frozenset[tuple[str, str]]:
    """Kinds whose spec or status decides something, given what was read of the `FIRST` kinds."""
    brought = {found.ref.group_kind for found in roots.values() if is_packaged(found)}
    return _ALWAYS_WHOLE.union(user for kind, user in _CHOOSERS.items() if kind in brought)


def relevant(
    roots: Mapping[Ref, Found], resources: Iterable[Resource], also: frozenset[Ref]
) -> Callable[[Found], bool]:
    """A filter for objects of any kind: whether one may matter, given the packages and namespaces in `roots`.

    Of Flux's kinds, what others have elsewhere and draw from elsewhere doesn't, unless a package may have their CRD.
    """
    known = inventory.every_object() | also
    namespaces = {facts.NAMESPACE, facts.FLUX_NAMESPACE, *package_namespaces(roots)}
    defined = {f.ref.name for f in roots.values() if f.ref.group_kind == DEFINITION and _is_marked(f)}
    packaged = {resource.group_kind for resource in resources if str(resource) in defined}
    always = {INGRESS, VOLUME, API_SERVICE, *_OF_OTHER_FLUX, *packaged}
    choosers = whole(roots) - _ALWAYS_WHOLE
    classes = {f.ref.name for f in roots.values() if f.ref.group_kind == STORAGE_CLASS and is_packaged(f)}
    roles = {
        f.ref.name for f in roots.values() if f.ref.group_kind == CLUSTER_ROLE and (f.ref in known or is_packaged(f))
    }

    def keep(found: Found) -> bool:
        ref, kind, labels = found.ref, found.ref.group_kind, found.labels
        return bool(
            found.owners
            or kind in always
            or ref.namespace in namespaces
            or ref in known
            or (kind in choosers and chooses(found))
            or (kind == CLAIM and found.get("spec", "storageClassName") in classes)
            or (kind in BINDINGS and found.get("roleRef", "name") in roles)
            or (kind in _DRAWING and not namespaces.isdisjoint(_draws_from(found)))
            or (kind == DEPLOYMENT and ref.name in _FLUX_CONTROLLERS)
            or labels.get(facts.MANAGED_BY_LABEL) == facts.MANAGED_BY
            or labels.get(facts.PART_OF_LABEL) == facts.PART_OF
            or facts.HELM_RELEASE_NAME_ANNOTATION in found.annotations
            or labels.get("owner") == "helm"
            or ref.name.startswith("glasskube-")
        )

    return keep


def chooses(found: Found) -> bool:
    """Whether an object that may name a class, or use an API, does."""
    names = ("runtimeClassName", "priorityClassName")
    return found.ref.group_kind != POD or any(found.get("spec", name) for name in names)


_OF_OTHER_FLUX = frozenset(kind.group_kind for kind in (*facts.FLUX_OTHER_KINDS, facts.FLUX_INSTANCE))
_FLUX_CONTROLLERS = frozenset({*facts.FLUX_DEPLOYMENTS, *facts.FLUX_OTHER_DEPLOYMENTS, facts.FLUX_OPERATOR})


_DRAWING = frozenset({facts.HELM_RELEASE.group_kind, facts.HELM_CHART.group_kind})


def _draws_from(found: Found) -> tuple[str, str]:
    """The namespaces of what a HelmRelease or a HelmChart draws from: its source, and its chart."""
    return source_of(found).namespace, chart_of(found).namespace


def is_packaged(found: Found) -> bool:
    """Whether a CRD or ClusterRole may come from a package, so that it matters who uses it."""
    return found.ref not in inventory.every_object() and _is_marked(found)


def _is_marked(found: Found) -> bool:
    return bool(
        found.owners
        or found.labels.get(facts.MANAGED_BY_LABEL) == facts.MANAGED_BY
        or facts.HELM_RELEASE_NAME_ANNOTATION in found.annotations
        or facts.FLUX_HELM_RELEASE_LABEL in found.labels
    )


def package_namespaces(objects: Mapping[Ref, Found]) -> frozenset[str]:
    """Namespaces that may be deleted with a package, or that hold what packages installed."""
    packages = {f.uid for f in objects.values() if f.ref.group_kind in facts.PACKAGE_GROUP_KINDS}
    names = {
        found.ref.name if found.ref.group_kind == NAMESPACE else found.ref.namespace
        for found in objects.values()
        if found.owned_by(packages) or found.ref.group_kind in facts.PACKAGE_GROUP_KINDS
    }
    # So whether a HelmRelease matters is known before all are read.
    named = {
        ref.namespace
        for found in objects.values()
        if found.ref.group_kind in facts.PACKAGE_GROUP_KINDS
        for ref in named_by(found)
        if ref.group_kind in _FLUX
    }
    targets = {
        str(found.get("spec", "targetNamespace") or "")
        for found in objects.values()
        if found.ref.group_kind == facts.HELM_RELEASE.group_kind and found.owned_by(packages)
    }
    # A chart may create namespaces, too, and what a package owns may own some, directly or not: whatever is in a
    # namespace that may be deleted has to be seen.
    made = {
        found.ref.name
        for found in objects.values()
        if found.ref.group_kind == NAMESPACE
        and (found.owners or facts.HELM_RELEASE_NAME_ANNOTATION in found.annotations)
    }
    return frozenset(names | named | targets | made) - {""}


def without_aliases(objects: Mapping[Ref, Found], watched: Collection[tuple[str, str]]) -> Mapping[Ref, Found]:
    """Each object once. Some servers serve one object as several kinds, all with its UID: OpenShift a Namespace as a
    Project, a RoleBinding of RBAC as one of its own, an ImageStream as its tags.

    Of several, a built-in kind is the object, then one that can be `watched`: the others are made for the request.
    """
    first: dict[str, Ref] = {}
    for ref in sorted(objects, key=lambda ref: (ref.group not in BUILT_IN_GROUPS, ref.group_kind not in watched, ref)):
        first.setdefault(objects[ref].uid, ref)
    return {ref: found for ref, found in objects.items() if first[found.uid] == ref}
