"""Who relies on what a package brought, and what that decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Owner, Ref
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.judge.usage import bindings_of, missed
from kubectl_glasskube_purge.purge.model.kinds import (
    API_SERVICE,
    AUTOSCALER,
    CLAIM,
    CSI_DRIVER,
    DEFINITION,
    GATEWAY,
    GATEWAY_CLASS,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    POD,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    STORAGE_CLASS,
    VOLUME,
)
from kubectl_glasskube_purge.purge.model.plan import Decision, Options, Plan
from tests.purge.clusters import RBAC, Cluster, Recipe, installed, made

GROUP = "certs.example.com"
DEFINED = "certificates.certs.example.com"
ORIGIN = {facts.FLUX_HELM_RELEASE_LABEL: "pkg0-pkg0", facts.FLUX_HELM_RELEASE_NAMESPACE_LABEL: "pkg0-home"}
CHART = {facts.HELM_RELEASE_NAME_ANNOTATION: "pkg0-pkg0", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "pkg0-home"}


def decided(cluster: Cluster, **options: Any) -> Plan:
    return plan(cluster.survey(), Options(ignore_busy=True, **options))


def decision(cluster: Cluster, number: int = 0, **options: Any) -> Decision:
    return decided(cluster, **options).packages[number]


def users(cluster: Cluster) -> set[str]:
    return {user.name for use in decision(cluster).uses for user in use.users}


# -- what a package brought


def by_owner(cluster: Cluster) -> Found:
    return cluster.add(*DEFINITION, DEFINED, owners=cluster.packages[:1])


def by_the_charts_templates(cluster: Cluster) -> Found:
    return cluster.add(*DEFINITION, DEFINED, annotations=CHART)


def kept_by_helm(cluster: Cluster) -> Found:
    found = cluster.add(*DEFINITION, DEFINED, annotations={**CHART, "helm.sh/resource-policy": "keep"})
    cluster.helm_keeps.add(found.uid)
    return found


def from_the_charts_folder(cluster: Cluster) -> Found:
    return cluster.add(*DEFINITION, DEFINED, labels=ORIGIN)


@pytest.mark.parametrize("brings", [by_owner, by_the_charts_templates, kept_by_helm, from_the_charts_folder])
def test_a_package_is_in_use_by_instances_of_others_however_it_brought_the_kind(
    brings: Callable[[Cluster], Found],
) -> None:
    cluster = installed("helm", packages=1)
    definition = brings(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    assert decision(cluster).decision == "delete"
    mine = cluster.theirs(GROUP, "Certificate", "mine", "shop")
    refused = decided(cluster)
    (refusal,) = [one for one in refused.refusals if one.code == "package-in-use"]
    assert refused.packages[0].decision == "undecided"
    (detail,) = refusal.details
    assert all(words in detail for words in ("pkg0", "1 Certificate", "shop", DEFINED))
    assert "--keep pkg0" in refusal.hint

    consent = decided(cluster, delete_in_use=True)
    assert not consent.refusals
    assert not {definition.ref, mine.ref} & consent.going.keys()
    kept = {one.ref: one.why for one in consent.kept}
    assert cluster.packages[0].ref.display in kept[mine.ref]
    assert definition.ref in kept


CHOICES: tuple[tuple[tuple[str, str], tuple[str, str], dict[str, Any]], ...] = (
    (INGRESS_CLASS, INGRESS, {"ingressClassName": "web"}),
    (GATEWAY_CLASS, GATEWAY, {"gatewayClassName": "web"}),
    (STORAGE_CLASS, CLAIM, {"storageClassName": "web"}),
    (STORAGE_CLASS, VOLUME, {"storageClassName": "web"}),
    (CSI_DRIVER, VOLUME, {"csi": {"driver": "web"}}),
    (RUNTIME_CLASS, POD, {"runtimeClassName": "web"}),
    (PRIORITY_CLASS, POD, {"priorityClassName": "web"}),
)


@pytest.mark.parametrize(("kind", "user", "spec"), CHOICES)
def test_whoever_chooses_a_class_of_a_package_relies_on_it(
    kind: tuple[str, str], user: tuple[str, str], spec: dict[str, Any]
) -> None:
    cluster = installed("plain", packages=1)
    cluster.add(*kind, "web", owners=cluster.packages)
    home = "" if user == VOLUME else "shop"
    cluster.theirs(*user, "mine", home, body={"spec": spec})
    cluster.theirs(*user, "another", home, body={"spec": {key: "other" for key in spec if key != "csi"}})
    assert users(cluster) == {"mine"}


def test_the_older_annotation_of_an_ingress_counts() -> None:
    cluster = installed("plain", packages=1)
    cluster.add(*INGRESS_CLASS, "web", owners=cluster.packages)
    cluster.theirs(*INGRESS, "old", "shop", annotations={"kubernetes.io/ingress.class": "web"})
    assert users(cluster) == {"old"}


def test_autoscalers_rely_on_metrics() -> None:
    cluster = installed("plain", packages=1)
    cluster.theirs(*AUTOSCALER, "mine", "shop")
    cluster.add(*API_SERVICE, "v1.api.example.com", owners=cluster.packages)
    assert users(cluster) == set()
    cluster.add(*API_SERVICE, "v1beta1.metrics.k8s.io", owners=cluster.packages)
    assert users(cluster) == {"mine"}


def test_a_source_that_others_draw_from_stays() -> None:
    cluster = installed("helm", packages=1)
    source = {"kind": "HelmRepository", "name": "pkg0-pkg0", "namespace": "pkg0-home"}
    spec = {"chart": {"spec": {"chart": "x", "sourceRef": source}}}
    cluster.theirs(*facts.HELM_RELEASE.group_kind, "mine", "shop", body={"spec": spec})
    assert users(cluster) == {"mine"}
    consent = decided(cluster, delete_in_use=True)
    drawn_from = Ref(*facts.HELM_REPOSITORY.group_kind, "pkg0-home", "pkg0-pkg0")
    assert drawn_from not in consent.going
    handed = decided(cluster, keep=("pkg0",), hand_over="helm")
    assert drawn_from not in handed.going, "nor with a package that Helm gets"
    assert handed.flux == "keep"


def test_a_users_own_chart_is_no_stray() -> None:
    cluster = installed("helm", packages=1)
    source = {"kind": "HelmRepository", "name": "pkg0-pkg0"}
    chart = cluster.theirs(*facts.HELM_CHART.group_kind, "mine", "pkg0-home", body={"spec": {"sourceRef": source}})
    assert chart.ref not in decided(cluster, delete_in_use=True).deletes


def test_a_role_that_others_are_granted_is_relied_on() -> None:
    cluster = installed("plain", packages=1)
    role = cluster.add(RBAC, "ClusterRole", "reader", owners=cluster.packages)
    cluster.theirs(RBAC, "RoleBinding", "another", "shop", body={"roleRef": {"kind": "Role", "name": "reader"}})
    assert not bindings_of(cluster.survey(), role.ref, ())
    cluster.theirs(RBAC, "RoleBinding", "mine", "shop", body={"roleRef": {"kind": "ClusterRole", "name": "reader"}})
    assert users(cluster) == {"mine"}


def test_what_packages_that_go_made_themselves_is_no_use_by_others() -> None:
    cluster = installed("helm", packages=2)
    by_owner(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    cluster.add(GROUP, "Certificate", "of-the-second", "pkg1-home", owners=cluster.packages[1:])
    assert users(cluster) == set()
    assert decision(cluster, keep=("pkg1",)).decision == "undecided", "what stays needs it"


@pytest.mark.parametrize(("program", "counts"), [("cert-controller", False), ("manager", True)])
def test_what_only_a_packages_own_programs_wrote_is_no_use_by_others(program: str, counts: bool) -> None:
    """Many operators are called manager: that tells nothing."""
    cluster = installed("plain", packages=1)
    by_owner(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    containers = [{"name": "x", "image": f"example.com/{program}:v1", "command": [f"/{program}"]}]
    cluster.add("", "Pod", "x", "pkg0-home", owners=cluster.packages, body={"spec": {"containers": containers}})
    cluster.theirs(GROUP, "Certificate", "default", "pkg0-home", managers=[program])
    assert users(cluster) == ({"default"} if counts else set())
    cluster.theirs(GROUP, "Certificate", "mine", "pkg0-home", managers=[program, "kubectl-edit"])
    assert "mine" in users(cluster)


def test_what_an_operator_made_by_default_goes_with_its_kind_and_what_it_made_for_others_is_use() -> None:
    cluster = installed("plain", packages=1)
    definition = by_owner(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    containers = [{"image": "example.com/cert-controller:v1"}]
    cluster.add("", "Pod", "x", "pkg0-home", owners=cluster.packages, body={"spec": {"containers": containers}})
    wrote = {"managers": ["cert-controller"]}
    default = cluster.add(GROUP, "Certificate", "default", "pkg0-home", **wrote)
    cluster.add(GROUP, "Certificate", "of-default", "pkg0-home", owners=[default], **wrote)
    assert decision(cluster).decision == "delete"
    assert {ref.name for ref in decided(cluster).going} >= {definition.ref.name, "default", "of-default"}

    theirs = cluster.theirs(*INGRESS, "mine", "shop")
    made = cluster.add(GROUP, "Certificate", "for-mine", "shop", owners=[theirs], **wrote)
    cluster.add(GROUP, "Certificate", "of-that", "shop", owners=[made], **wrote)
    assert users(cluster) == {"for-mine", "of-that"}
    assert not {definition.ref, made.ref} & decided(cluster, delete_in_use=True).going.keys()


def test_users_of_a_kind_that_cannot_be_listed_may_rely_on_a_class() -> None:
    cluster = installed("plain", packages=1)
    cluster.add(*INGRESS_CLASS, "web", owners=cluster.packages)
    cluster.hidden[INGRESS] = "ingresses.networking.k8s.io"
    assert decision(cluster).decision == "undecided"
    assert decision(cluster).uses[0].what.endswith("because ingresses.networking.k8s.io can't be read")


# -- the decision


def in_use(packages: int = 2, **more: Any) -> Cluster:
    """Packages, of which the first is in use."""
    requires = frozenset(more.get("requires", ()))
    parts = ((False, frozenset({"helm"})),) * packages
    cluster = made(Recipe("whole", "whole", True, True, parts, requires, ()))
    by_owner(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    cluster.theirs(GROUP, "Certificate", "mine", "shop")
    return cluster


@pytest.mark.parametrize(
    ("options", "whom"),
    [
        ({"keep": ("pkg0",)}, "helm"),  # without a choice Flux goes
        ({"keep": ("pkg0",), "hand_over": "flux"}, "flux"),
        ({"keep_in_use": "auto"}, "helm"),
        ({"keep_in_use": "flux"}, "flux"),
        ({"keep_in_use": "auto", "hand_over": "flux"}, "flux"),
    ],
)
def test_a_package_that_is_kept_is_handed_over_and_the_others_go(options: dict[str, Any], whom: str) -> None:
    cluster = in_use()
    kept = decided(cluster, **options)
    assert not kept.refusals
    assert [one.decision for one in kept.packages] == ["keep", "delete"]
    assert kept.keep_packages == whom
    names = {ref.name for ref in kept.going}
    assert {"pkg0", "pkg1", "pkg1-home", "pkg1-web"} <= names
    assert not {"pkg0-home", "pkg0-web", DEFINED, "mine"} & names
    verbs = {action.ref.name: action.verb for stage in kept.stages for action in stage.actions}
    assert verbs["pkg0-home"] == "detach"


def test_what_a_kept_package_depends_on_is_kept_with_it() -> None:
    cluster = in_use(3, requires={(0, 2)})
    kept = decided(cluster, keep=("pkg0",))
    assert [one.decision for one in kept.packages] == ["keep", "delete", "keep"]
    assert "pkg0" in kept.packages[2].why


def test_a_kept_component_of_a_package_that_goes_relies_on_what_it_uses() -> None:
    cluster = in_use(3)
    suite, part = cluster.packages[1:]
    cluster.change(part, owners=(Owner(suite.ref.group, suite.ref.kind, suite.ref.name, suite.uid),))
    (mine,) = cluster.of((GROUP, "Certificate"))
    cluster.change(mine, owners=(Owner(part.ref.group, part.ref.kind, part.ref.name, part.uid),))
    cluster.name(cluster.objects[part.uid], mine.ref)
    assert [one.decision for one in decided(cluster).packages] == ["delete", "delete", "delete"]
    kept = decided(cluster, keep=(part.ref.name,)).packages
    assert [one.decision for one in kept] == ["undecided", "delete", "keep"]


def test_a_name_that_no_package_has_is_refused_unless_an_earlier_run_handed_it_over() -> None:
    cluster = in_use()
    (refusal,) = decided(cluster, keep=("pkg0", "pgk1")).refusals
    assert refusal.code == "no-such-package"
    assert "pgk1" in refusal.message
    assert "pkg0, pkg1" in refusal.hint
    home = cluster.find(*NAMESPACE, facts.NAMESPACE)
    assert home is not None
    cluster.change(home, annotations={"glasskube-purge/kept": "pgk1"})
    assert not decided(cluster, keep=("pkg0", "pgk1")).refusals
    assert "handed over pgk1" in decided(cluster).refusals[0].hint


def test_crds_that_helm_leaves_are_listed_and_go_by_consent_without_instances() -> None:
    cluster = installed("helm", packages=1)
    left = from_the_charts_folder(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    (why,) = [one.why for one in decided(cluster).kept if one.ref == left.ref]
    assert f"kubectl delete crd {DEFINED}" in why
    assert left.ref in decided(cluster, delete_crds=True).deletes
    cluster.theirs(GROUP, "Certificate", "mine", "shop")
    assert left.ref not in decided(cluster, delete_crds=True, delete_in_use=True).deletes


def test_what_may_be_missed_without_a_trace_is_named() -> None:
    cluster = installed("plain", packages=1)
    hook = cluster.add("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "sets", owners=cluster.packages)
    api = cluster.add(*API_SERVICE, "v1.api.example.com", owners=cluster.packages)
    said = "\n".join(missed({hook.ref, api.ref}))
    assert "v1.api.example.com goes, and with it an API" in said
    assert "sets goes: it no longer checks or changes" in said


def test_a_kind_whose_instances_cannot_be_read_may_be_in_use() -> None:
    cluster = installed("helm", packages=1)
    by_owner(cluster)
    cluster.defines[DEFINED] = (GROUP, "Certificate")
    cluster.hidden[GROUP, "Certificate"] = DEFINED
    assert decision(cluster).decision == "undecided"
    assert DEFINED in decision(cluster).uses[0].what


def test_what_an_interrupted_run_began_to_hand_over_is_never_deleted_without_consent() -> None:
    """It has taken the ownerReferences off already by which it was told what others rely on."""
    cluster = in_use()
    definition = cluster.find(*DEFINITION, DEFINED)
    assert definition is not None
    cluster.change(definition, owners=())
    assert decision(cluster).decision == "delete"
    home = cluster.find(*NAMESPACE, facts.NAMESPACE)
    assert home is not None
    cluster.change(home, annotations={"glasskube-purge/kept": "pkg0"})
    (refusal,) = decided(cluster).refusals
    (detail,) = refusal.details
    assert detail.startswith("pkg0")
    assert decision(cluster, keep_in_use="auto").decision == "keep"
    assert decision(cluster, delete_in_use=True).decision == "delete"
