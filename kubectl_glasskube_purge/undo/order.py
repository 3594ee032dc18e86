"""In which order objects are restored. Pure.

The order of a backup's sections, and of a restore's stages. It follows what needs
what: objects their namespace, instances their CRD, controllers their rights and
certificates, packages the operator that answers the webhook and the repository
they come from.

The webhook configuration is in one stage with the operator, and before the Job
that makes its certificate: the Job writes the certificate's CA into it and makes a
new certificate each time it has to try again. No package is created before the
stage is over, so that nothing meets a webhook that doesn't answer yet.

A rollback finds the operator stopped and its webhook gone. There packages come first: they need no answer then, and
come back even if the operator was never ready.
"""

from __future__ import annotations

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref

NAMESPACES = "namespaces"
DEFINITIONS = "definitions"
CONFIGURATION = "configuration"
CONTROLLERS = "controllers"
REPOSITORIES = "repositories"
PACKAGES = "packages"
OTHERS = "others"

STAGES = (NAMESPACES, DEFINITIONS, CONFIGURATION, CONTROLLERS, REPOSITORIES, PACKAGES, OTHERS)

_RBAC = "rbac.authorization.k8s.io"
_CONFIGURATION = (
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("", "ServiceAccount"),
    (_RBAC, "ClusterRole"),
    (_RBAC, "ClusterRoleBinding"),
    (_RBAC, "Role"),
    (_RBAC, "RoleBinding"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("", "PersistentVolumeClaim"),
    ("networking.k8s.io", "NetworkPolicy"),
)
"""What others need before they start. Quotas first: some clusters refuse critical Pods without one."""

_CONTROLLERS = (
    ("", "Service"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apps", "Deployment"),
    ("batch", "CronJob"),
    ("batch", "Job"),
)

_KINDS = {
    kind: (STAGES.index(stage), position)
    for stage, kinds in (
        (NAMESPACES, (("", "Namespace"),)),
        (DEFINITIONS, (("apiextensions.k8s.io", "CustomResourceDefinition"),)),
        (CONFIGURATION, _CONFIGURATION),
        (REPOSITORIES, (facts.PACKAGE_REPOSITORY.group_kind, facts.PACKAGE_INFO.group_kind)),
    )
    for position, kind in enumerate(kinds)
} | {
    # Either kind may depend on the other: their order is that of the file.
    kind.group_kind: (STAGES.index(PACKAGES), 0)
    for kind in facts.PACKAGE_KINDS
}

_SOURCES_FIRST = (
    facts.HELM_REPOSITORY,
    facts.GIT_REPOSITORY,
    facts.OCI_REPOSITORY,
    facts.BUCKET,
    facts.HELM_CHART,
    facts.HELM_RELEASE,
)


def rank_in_rollback(ref: Ref) -> tuple[bool, int, int]:
    """Sort key while the operator is stopped: packages first, then the operator and the webhook that it answers."""
    stage, position = rank(ref)
    return STAGES[stage] == CONTROLLERS, stage, position


def rank(ref: Ref) -> tuple[int, int]:
    """Sort key: the stage's number, and the kind's place within the stage."""
    kind = ref.group_kind
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in _CONTROLLERS and ref in inventory.every_object():
        return STAGES.index(CONTROLLERS), _CONTROLLERS.index(kind)
    flux = [one.group_kind for one in _SOURCES_FIRST]
    # What nobody knows goes first: a HelmRelease may need it, it hardly needs a HelmRelease.
    return STAGES.index(OTHERS), flux.index(kind) + 1 if kind in flux else 0


def stage_of(ref: Ref) -> str:
    """The stage in which an object is restored."""
    return STAGES[rank(ref)[0]]
