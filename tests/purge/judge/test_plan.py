"""The plan in the corners where it once was wrong, or easily could be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Found, Owner, Ref
from kubectl_glasskube_purge.purge.judge.held import is_of_kubernetes
from kubectl_glasskube_purge.purge.judge.packages import in_order
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.judge.verify import kinds_to_verify, verify
from kubectl_glasskube_purge.purge.model.claim import CLAIM_ANNOTATION
from kubectl_glasskube_purge.purge.model.plan import GONE, Options, Plan
from kubectl_glasskube_purge.purge.model.survey import Package
from tests.purge import kubernetes
from tests.purge.clusters import RBAC, Cluster, Recipe, installed, made

KEEP = {"helm.sh/resource-policy": "keep"}
SECRET = "sh.helm.release.v1.pkg0-pkg0.v1"


def decided(cluster: Cluster, **options: object) -> Plan:
    return plan(cluster.survey(all_of_flux=options.get("flux") == "delete"), Options(ignore_busy=True, **options))  # type: ignore[arg-type]


def one(cluster: Cluster, group: str, kind: str, name: str, namespace: str = "") -> Found:
    found = cluster.find(group, kind, name, namespace)
    assert found is not None
    return found


def refused(decision: Plan) -> set[str]:
    return {refusal.code for refusal in decision.refusals}


def why(decision: Plan, ref: Ref) -> str:
    (reason,) = [kept.why for kept in decision.kept if kept.ref == ref]
    return reason


# -- protected


def test_a_protected_release_secret_keeps_its_helmrelease_and_flux() -> None:
    cluster = installed("helm", packages=1)
    secret = cluster.change(one(cluster, "", "Secret", SECRET, "pkg0-home"), annotations=KEEP)
    decision = decided(cluster)
    release = one(cluster, *facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")
    assert not decision.refusals
    assert {secret.ref, release.ref} <= {kept.ref for kept in decision.kept}
    assert decision.flux == "keep"
    assert secret.uid not in kubernetes.carried_out(decision, cluster.world).gone


def test_what_is_protected_and_cannot_be_kept_refuses() -> None:
    """A later stage would take it along; nothing detaches it there."""
    cluster = installed()
    operator = one(cluster, RBAC, "ClusterRole", "glasskube-proxy-role")
    widget = cluster.add("example.com", "Widget", "mine", owners=[operator], annotations=KEEP)
    (refusal,) = decided(cluster).refusals
    assert refusal.code == "protected"
    assert refusal.details == (f"{widget.ref.display} has annotation helm.sh/resource-policy",)


def test_a_command_to_be_copied_runs_nothing_that_a_name_says() -> None:
    cluster = installed()
    operator = one(cluster, RBAC, "ClusterRole", "glasskube-proxy-role")
    cluster.add(RBAC, "ClusterRole", "mine;reboot", owners=[operator], annotations=KEEP)
    (refusal,) = decided(cluster).refusals
    assert f"kubectl annotate 'clusterrole.{RBAC}/mine;reboot' helm.sh/resource-policy-" in refusal.hint


def test_consent_to_foreign_objects_is_none_to_protected_ones() -> None:
    cluster = installed()
    mine = cluster.theirs("", "ConfigMap", "mine", facts.NAMESPACE, annotations=KEEP)
    assert not decided(cluster).refusals
    assert mine.ref not in decided(cluster).going
    refusal = decided(cluster, include_foreign=(facts.NAMESPACE,)).refusals[0]
    assert refusal.code == "protected"
    assert f"kubectl annotate configmap/mine -n {facts.NAMESPACE} helm.sh/resource-policy-" in refusal.hint


# -- several owners


def test_what_has_two_owners_goes_with_the_last_of_them_in_whichever_stage() -> None:
    cluster = installed("plain", packages=1)
    operator = one(cluster, RBAC, "ClusterRole", "glasskube-proxy-role")
    widget = cluster.add("example.com", "Widget", "of-both", owners=[cluster.packages[0], operator])
    decision = decided(cluster)
    stages = {stage.name for stage in decision.stages for c in stage.consequences if c.found.ref == widget.ref}
    assert stages == {"controllers"}


def test_what_somebody_else_owns_too_stays_with_its_namespace() -> None:
    cluster = installed("plain", packages=1)
    tenant = cluster.theirs("example.com", "Tenant", "acme")
    mine = cluster.add("", "ConfigMap", "shared", "pkg0-home", owners=[cluster.packages[0], tenant])
    decision = decided(cluster)
    assert mine.ref not in decision.going
    assert "shared" in why(decision, Ref("", "Namespace", "", "pkg0-home"))


def test_what_somebody_else_owns_too_is_not_handed_to_helm() -> None:
    cluster = installed("helm", packages=1)
    tenant = cluster.theirs("example.com", "Tenant", "acme")
    release = one(cluster, *facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")
    owner = cluster.add("example.com", "Widget", "x", owners=[tenant]).owners
    cluster.change(release, owners=(*release.owners, *owner))
    decision = decided(cluster, keep_packages="helm")
    assert release.ref not in decision.going
    assert decision.flux == "keep"


# -- unreadable


@pytest.mark.parametrize(
    ("group", "kind", "what"),
    [
        (*facts.PACKAGE.group_kind, facts.PACKAGE.crd),
        (*facts.CLUSTER_PACKAGE.group_kind, facts.CLUSTER_PACKAGE.crd),
        (*facts.HELM_RELEASE.group_kind, facts.HELM_RELEASE.crd),
        ("", "Namespace", "namespaces"),
        ("", "Pod", "pods"),
        ("apps", "Deployment", "deployments.apps"),
        (*kubernetes.DEFINITION, "customresourcedefinitions.apiextensions.k8s.io"),
    ],
)
def test_a_kind_that_decides_and_cannot_be_listed_refuses(group: str, kind: str, what: str) -> None:
    cluster = installed("helm", "plain", packages=2)
    cluster.hidden[group, kind] = what
    decision = decided(cluster, include_foreign=(facts.NAMESPACE,), delete_shared_flux=True, flux="delete")
    assert "unreadable" in refused(decision)
    refusal = next(refusal for refusal in decision.refusals if refusal.code == "unreadable")
    assert what in refusal.message
    assert refusal.details == (f"{what}: forbidden",)


def test_namespaces_stay_where_not_all_that_is_in_them_can_be_read() -> None:
    cluster = installed("plain", packages=1)
    theirs = cluster.theirs("", "Secret", "mine", "pkg0-home")
    cluster.hidden["", "Secret"] = "secrets"
    decision = decided(cluster)
    assert not decision.refusals
    for name in ("pkg0-home", facts.NAMESPACE):
        assert "secrets" in why(decision, Ref("", "Namespace", "", name))
    assert theirs.uid not in kubernetes.carried_out(decision, cluster.world).gone
    home = Ref("", "Namespace", "", "pkg0-home")
    assert home not in decided(cluster, include_foreign=("pkg0-home",)).going, "consent is no proof"


def test_metrics_that_cannot_be_listed_keep_no_namespace() -> None:
    """They are computed when somebody asks; an adapter that is down for good is ordinary."""
    cluster = installed("plain", packages=1)
    cluster.hidden["metrics.k8s.io", "PodMetrics"] = "pods.metrics.k8s.io"
    assert Ref("", "Namespace", "", "pkg0-home") in decided(cluster).going


def test_a_role_stays_where_its_bindings_cannot_be_listed() -> None:
    cluster = installed("plain", packages=1)
    cluster.hidden[RBAC, "RoleBinding"] = f"rolebindings.{RBAC}"
    role = Ref(RBAC, "ClusterRole", "", "pkg0-plain")
    assert role not in decided(cluster).going
    assert why(decided(cluster), role)


def test_an_owner_that_cannot_be_listed_counts_as_being_there() -> None:
    cluster = installed("plain", packages=1)
    tenant = cluster.theirs("example.com", "Tenant", "acme")
    shared = cluster.add("example.com", "Widget", "shared", owners=[cluster.packages[0], tenant])
    cluster.hidden["example.com", "Tenant"] = "tenants.example.com"
    assert shared.ref not in decided(cluster).going


# -- suspended HelmReleases


@pytest.mark.parametrize("helm_runs", [True, False])
def test_the_chart_of_a_suspended_helmrelease_is_said_to_stay(helm_runs: bool) -> None:
    cluster = made(
        Recipe("whole", "whole", True, helm_runs, ((True, frozenset({"helm", "suspended release"})),), frozenset(), ())
    )
    decision = decided(cluster)
    workload = one(cluster, "apps", "Deployment", "pkg0-web", "shop")
    assert "is suspended" in why(decision, workload.ref)
    assert "helmrelease.helm.toolkit.fluxcd.io/pkg0-pkg0 -n shop" in why(decision, workload.ref)
    assert {SECRET, "pkg0-chart"} <= {kept.ref.name for kept in decision.kept}
    chart = one(cluster, *facts.HELM_CHART.group_kind, "shop-pkg0-pkg0", "shop")
    assert chart.ref in decision.deletes
    # Nobody's finalizer is dropped without consent, not even where it guards nothing.
    outcome = kubernetes.carried_out(decision, cluster.world)
    assert outcome.finished == helm_runs
    assert workload.uid not in outcome.gone
    warnings = {warning.code: warning.message for warning in decision.warnings}
    assert ("controller-not-running" in warnings) == (not helm_runs)
    if not helm_runs:
        assert facts.FLUX_FINALIZER in warnings["controller-not-running"]
        by_name = decided(cluster, force_finalizers=(facts.FLUX_FINALIZER,))
        assert kubernetes.carried_out(by_name, cluster.world).finished


def test_a_controller_that_runs_is_not_warned_about() -> None:
    cluster = made(
        Recipe("whole", "whole", True, False, ((True, frozenset({"helm", "suspended release"})),), frozenset(), ())
    )
    survey = cluster.survey()
    for ready, warned in ((0, True), (1, False)):
        seen = replace(survey, helm_controller=replace(survey.helm_controller, ready=ready))
        warnings = plan(seen, Options(ignore_busy=True)).warnings
        assert ("controller-not-running" in {warning.code for warning in warnings}) == warned


def test_the_chart_of_a_suspended_helmrelease_goes_with_the_packages_namespace() -> None:
    cluster = installed("helm", "suspended release", packages=1)
    workload = one(cluster, "apps", "Deployment", "pkg0-web", "pkg0-home")
    assert workload.ref in decided(cluster).going


# -- charts that nobody else uninstalls


def without_controllers(*parts: str, in_shop: bool = False) -> Cluster:
    """One package with a chart, and Flux scaled to zero."""
    cluster = made(Recipe("whole", "whole", True, False, ((in_shop, frozenset(parts)),), frozenset(), ()))
    for name in facts.FLUX_DEPLOYMENTS:
        controller = one(cluster, "apps", "Deployment", name, facts.FLUX_NAMESPACE)
        cluster.change(controller, body={**controller.body, "spec": {**controller.body["spec"], "replicas": 0}})
        del cluster.objects[one(cluster, "", "Pod", f"{name}-1-x", facts.FLUX_NAMESPACE).uid]
    return cluster


def test_a_chart_is_uninstalled_here_by_consent_its_stored_release_last() -> None:
    cluster = without_controllers("helm", "volume", in_shop=True)
    decision = decided(cluster, force_finalizers=(GONE,))
    steps = {action.ref.name: action for action in decision.stages[0].actions if action.verb == "delete"}
    release = one(cluster, *facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "shop")
    chart = {steps[name].found.uid for name in ("pkg0-web", "pkg0-chart", "pkg0-data")}
    assert steps[SECRET].after >= chart
    (end,) = [one for one in decision.stages[0].actions if one.finalizer == facts.FLUX_FINALIZER]
    assert end.ref == release.ref
    assert end.after >= {*chart, steps[SECRET].found.uid}
    outcome = kubernetes.carried_out(decision, cluster.world)
    assert outcome.finished
    assert {*chart, steps[SECRET].found.uid, release.uid} <= outcome.gone.keys()
    assert not decided(cluster).deletes.keys() & {steps[name].ref for name in ("pkg0-web", "pkg0-chart", SECRET)}


def test_what_the_stored_release_does_not_name_stays_and_is_said() -> None:
    cluster = without_controllers("helm", in_shop=True)
    survey = cluster.survey()
    (release,) = survey.releases
    web = one(cluster, "apps", "Deployment", "pkg0-web", "shop").ref
    for read, stays in (
        ({release: replace(survey.releases[release], installed=survey.releases[release].installed - {web})}, {web}),
        ({}, {web, Ref(RBAC, "ClusterRole", "", "pkg0-chart"), Ref("", "Secret", "shop", SECRET)}),
    ):
        decision = plan(replace(survey, releases=read), Options(ignore_busy=True, force_finalizers=(GONE,)))
        assert {kept.ref for kept in decision.kept if "its stored release doesn't prove it" in kept.why} == stays
        assert not stays & decision.going.keys()


def test_hooks_that_are_not_run_are_named() -> None:
    cluster = without_controllers("helm")
    survey = cluster.survey()
    read = {ref: replace(release, hooks=("job/clean-up",)) for ref, release in survey.releases.items()}
    for consent in ((), (GONE,)):
        decision = plan(replace(survey, releases=read), Options(ignore_busy=True, force_finalizers=consent))
        said = [one.message for one in decision.warnings if one.code == "hooks-not-run"]
        assert len(said) == bool(consent)
        for words in ("helmrelease.helm.toolkit.fluxcd.io/pkg0-pkg0 -n pkg0-home", "job/clean-up"):
            assert all(words in one for one in said)


def test_the_namespace_of_a_package_that_is_gone_waits_for_its_helmreleases() -> None:
    cluster = installed("helm", packages=1)
    (package,) = [found for found in cluster.objects.values() if found.ref.group_kind in facts.PACKAGE_GROUP_KINDS]
    del cluster.objects[package.uid]
    decision = decided(cluster)
    release = one(cluster, *facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")
    assert decision.deletes[Ref("", "Namespace", "", "pkg0-home")].after == {release.uid}
    assert release.ref in decision.deletes


# -- what others use of what Glasskube and its packages brought


def test_a_definition_with_instances_of_others_stays_and_all_of_them() -> None:
    cluster = installed("crd", packages=1)
    theirs = cluster.theirs("pkg0.gadgets.example.com", "Gadget", "mine", "shop")
    decision = decided(cluster)
    definition = Ref(*kubernetes.DEFINITION, "", "gadgets.pkg0.gadgets.example.com")
    assert theirs.ref.display in why(decision, definition)
    assert "detach" in {a.verb for stage in decision.stages for a in stage.actions if a.ref == definition}


def test_an_instance_of_theirs_in_glasskubes_namespace_keeps_it() -> None:
    cluster = installed("crd", packages=1)
    theirs = cluster.theirs("pkg0.gadgets.example.com", "Gadget", "mine", facts.NAMESPACE)
    decision = decided(cluster, keep_packages="flux")
    assert theirs.ref not in decision.going
    assert Ref("", "Namespace", "", facts.NAMESPACE) in {kept.ref for kept in decision.kept}


@pytest.mark.parametrize("role", ["pkg0-plain", "pkg0-chart", "glasskube-proxy-role"])
def test_a_role_that_somebody_grants_stays_however_it_came_there(role: str) -> None:
    cluster = installed("helm", "plain", packages=1)
    body = {"roleRef": {"kind": "ClusterRole", "name": role}}
    binding = cluster.theirs(RBAC, "RoleBinding", "developers", "shop", body=body)
    decision = decided(cluster)
    ref = Ref(RBAC, "ClusterRole", "", role)
    assert ref not in decision.going
    assert binding.ref.display in why(decision, ref)


def test_a_role_that_is_not_meant_by_a_binding_goes() -> None:
    cluster = installed("plain", packages=1)
    body = {"roleRef": {"kind": "Role", "name": "pkg0-plain"}}
    cluster.theirs(RBAC, "RoleBinding", "developers", "kube-system", body=body)
    assert Ref(RBAC, "ClusterRole", "", "pkg0-plain") in decided(cluster).going


# -- Flux


def test_including_what_is_foreign_proves_nothing_about_flux() -> None:
    cluster = installed("helm", packages=1)
    cluster.theirs(*facts.HELM_RELEASE.group_kind, "mine", facts.NAMESPACE, finalizers=[facts.FLUX_FINALIZER])
    decision = decided(cluster, include_foreign=(facts.NAMESPACE,))
    assert decision.flux == "keep"
    assert not decision.verdict.proven
    assert not kubernetes.carried_out(decision, cluster.world).wrongs


def test_taking_flux_from_everybody_by_consent_does_not_claim_to_have_proof() -> None:
    cluster = installed()
    theirs = cluster.theirs(*facts.HELM_RELEASE.group_kind, "mine", "shop")
    decision = decided(cluster, flux="delete", delete_shared_flux=True)
    assert not decision.refusals
    assert "--delete-shared-flux" in decision.deletes[theirs.ref].reason
    (reason,) = {action.reason for action in decision.deletes.values() if action.found in cluster.flux()}
    assert "--delete-shared-flux" in reason
    assert not decision.verdict.proven
    assert theirs.ref in decision.going
    assert any(theirs.ref.display in evidence.text for evidence in decision.verdict.evidence if evidence.against)


def test_a_flux_that_an_earlier_purge_left_is_taken_on_the_same_proof() -> None:
    cluster = installed()
    for found in list(cluster.objects.values()):
        of_flux = found in cluster.flux() or found.ref.namespace == facts.FLUX_NAMESPACE
        if not of_flux and found.uid not in cluster.foreign:
            del cluster.objects[found.uid]
    decision = decided(cluster)
    assert decision.flux == "delete"
    assert {found.uid for found in cluster.flux()} <= {found.uid for found in decision.going.values()}
    cluster.theirs(*facts.HELM_RELEASE.group_kind, "mine", "shop")
    assert decided(cluster).flux == "keep"
    assert decided(cluster).empty


# -- what can't be read, or doesn't answer

API = Ref("apiregistration.k8s.io", "APIService", "", "v1beta1.metrics.k8s.io", "v1")


def test_an_api_that_does_not_answer_refuses_where_a_namespace_would_have_to_end() -> None:
    survey = replace(installed(packages=1).survey(), unavailable=(API,))
    (refusal,) = plan(survey, Options(ignore_busy=True)).refusals
    assert refusal.code == "api-unavailable"
    assert API.name in refusal.message
    assert f"kubectl delete apiservice {API.name}" in refusal.hint
    assert "glasskube-system" in refusal.details[0]


def test_an_api_that_a_package_brought_and_that_goes_with_it_refuses_nothing() -> None:
    cluster = installed("plain", packages=1)
    cluster.add("apiregistration.k8s.io", "APIService", API.name, owners=cluster.packages)
    assert not plan(replace(cluster.survey(), unavailable=(API,)), Options(ignore_busy=True)).refusals


def test_an_api_that_does_not_answer_refuses_nothing_where_no_namespace_ends() -> None:
    survey = replace(installed(glasskube="definitions").survey(), unavailable=(API,))
    decision = plan(survey, Options(flux="keep", ignore_busy=True))
    assert not any(ref.kind == "Namespace" for ref in decision.going)
    assert "api-unavailable" not in refused(decision)


def test_a_release_that_is_not_decoded_is_warned_about() -> None:
    survey = replace(installed().survey(), undecoded={("home", "web"): "is cut off"})
    (warning,) = [one for one in plan(survey, Options()).warnings if one.code == "release-undecoded"]
    assert all(words in warning.message for words in ("home/web", "is cut off"))


# -- what packages that are gone left


def orphan(cluster: Cluster, group: str, kind: str, name: str, namespace: str = "", **more: object) -> Found:
    """Puts in what a package owned that is gone."""
    found = cluster.add(group, kind, name, namespace, **more)  # type: ignore[arg-type]
    return cluster.change(found, owners=(Owner(facts.GROUP, "ClusterPackage", "gone", "uid-gone"),))


def verbs(decision: Plan, ref: Ref) -> set[str]:
    return {action.verb for stage in decision.stages for action in stage.actions if action.ref == ref}


def test_what_a_gone_package_left_is_deleted() -> None:
    cluster = installed()
    home = orphan(cluster, "", "Namespace", "left-home")
    inside = cluster.add("", "ConfigMap", "inside", "left-home", owners=[home])
    decision = decided(cluster)
    assert verbs(decision, home.ref) == {"delete"}
    assert inside.ref in decision.going


def test_what_a_gone_package_left_and_others_need_is_detached() -> None:
    cluster = installed("plain", packages=1)
    home = orphan(cluster, "", "Namespace", "left-home")
    mine = cluster.theirs("", "ConfigMap", "mine", "left-home")
    role = orphan(cluster, RBAC, "ClusterRole", "left-role")
    grant = {"roleRef": {"kind": "ClusterRole", "name": "left-role"}}
    cluster.theirs(RBAC, "ClusterRoleBinding", "grants", body=grant)
    cluster.defines["widgets.left.example.com"] = ("left.example.com", "Widget")
    definition = orphan(cluster, *kubernetes.DEFINITION, "widgets.left.example.com")
    instance = cluster.theirs("left.example.com", "Widget", "mine", "shop")
    marked = orphan(cluster, "", "ConfigMap", "marked", "shop", annotations=KEEP)
    decision = decided(cluster)
    for kept in (home, role, definition, marked):
        assert verbs(decision, kept.ref) == {"detach"}
        assert why(decision, kept.ref)
    assert not {mine.ref, instance.ref} & decision.going.keys()


# -- the order of packages


def in_a_row(length: int, circle: bool = False) -> tuple[Package, ...]:
    """Packages that each require the one before, the first the last where they are a circle."""
    found = [
        Found(Ref(facts.GROUP, "ClusterPackage", "", f"pkg{n:04}", "v1alpha1"), f"uid-{n}", "1") for n in range(length)
    ]
    before = [found[n - 1 : n] if n or circle else [] for n in range(length)]
    before[0] = [found[-1]] if circle else []
    return tuple(
        Package(one, one.ref.name, requires=frozenset(other.ref for other in required))
        for one, required in zip(found, before, strict=True)
    )


def levels(packages: Iterable[Package]) -> dict[Ref, int]:
    packages = list(packages)
    dependents: dict[Ref, set[Ref]] = {one.ref: set() for one in packages}
    for one in packages:
        for required in one.requires:
            dependents[required].add(one.ref)
    return {ref: level for ref, level, _ in in_order({ref: frozenset(on) for ref, on in dependents.items()})}


def test_a_chain_of_1500_packages_has_as_many_levels() -> None:
    assert sorted(levels(in_a_row(1500)).values()) == list(range(1500))


def test_packages_that_depend_on_each_other_share_a_level() -> None:
    everybody = [
        Found(Ref(facts.GROUP, "ClusterPackage", "", f"pkg{n}", "v1alpha1"), f"uid-{n}", "1") for n in range(300)
    ]
    refs = frozenset(found.ref for found in everybody)
    knot = tuple(Package(one, one.ref.name, requires=refs - {one.ref}) for one in everybody)
    assert set(levels(knot).values()) == {0}
    circle = in_a_row(3, circle=True)
    outside = replace(circle[0].found, ref=replace(circle[0].ref, name="outside"))
    found = levels((*circle, Package(outside, "outside", requires=frozenset({circle[1].ref}))))
    assert found[outside.ref] == 0
    assert {found[one.ref] for one in circle} == {1}


@pytest.mark.parametrize("text", ['{"renewal": Infinity}', "[" * 100_000, "null", '{"host":1,"process":Infinity}'])
def test_a_claim_that_cannot_be_read_is_reported_and_stops_nothing(text: str) -> None:
    cluster = installed()
    cluster.change(one(cluster, "", "Namespace", facts.NAMESPACE), annotations={CLAIM_ANNOTATION: text})
    decision = decided(cluster)
    assert not decision.refusals
    assert [warning.code for warning in decision.warnings].count("annotation-ignored") == 1


# -- labels of Glasskube's on what isn't its


def test_labels_alone_make_no_leftover() -> None:
    cluster = Cluster()
    cluster.theirs("", "ConfigMap", "mine", "shop", labels={facts.MANAGED_BY_LABEL: facts.MANAGED_BY})
    survey = cluster.survey()
    assert verify(survey).clean
    (kept,) = plan(survey, Options()).kept
    assert "not proven to be Glasskube's" in kept.why


# -- consents do what they say


def test_consent_to_foreign_objects_is_for_one_namespace() -> None:
    cluster = installed("plain", packages=2)
    for home in ("pkg0-home", "pkg1-home"):
        cluster.theirs("", "ConfigMap", "mine", home)
    going = decided(cluster, include_foreign=("pkg0-home",)).going
    assert Ref("", "Namespace", "", "pkg0-home") in going
    assert Ref("", "Namespace", "", "pkg1-home") not in going
    assert "--include-foreign=pkg1-home" in why(decided(cluster), Ref("", "Namespace", "", "pkg1-home"))


@pytest.mark.parametrize("name", ["shop", "kube-system"])
def test_a_namespace_that_no_package_owns_is_refused(name: str) -> None:
    cluster = installed("plain", packages=1)
    assert refused(decided(cluster, include_foreign=(name,))) == {"not-a-package-namespace"}
    assert not refused(decided(cluster, include_foreign=("has-ended", "pkg0-home", facts.NAMESPACE)))


def release_of(cluster: Cluster) -> Found:
    return one(cluster, *facts.HELM_RELEASE.group_kind, "pkg0-pkg0", "pkg0-home")


def drops(decision: Plan) -> set[str]:
    return {
        action.ref.name for stage in decision.stages for action in stage.actions if action.verb == "release-finalizer"
    }


def test_a_controller_that_may_still_start_takes_a_consent_by_name() -> None:
    """Its Pod crashes again and again."""
    cluster = made(Recipe("whole", "whole", True, False, ((False, frozenset({"helm"})),), frozenset(), ()))
    release = release_of(cluster)
    assert release.ref.name not in drops(decided(cluster, force_finalizers=(GONE,)))
    by_name = decided(cluster, force_finalizers=(facts.FLUX_FINALIZER,))
    assert release.ref.name in drops(by_name)
    helm_controller = Ref("apps", "Deployment", facts.FLUX_NAMESPACE, facts.HELM_CONTROLLER)
    assert {"apply", "delete"} == verbs(by_name, helm_controller)
    stays = decided(cluster, force_finalizers=(facts.FLUX_FINALIZER,), flux="keep")
    assert refused(stays) == {"controller-at-work"}


def test_what_a_gone_controller_leaves_is_dropped_and_deleted_also_if_flux_stays() -> None:
    cluster = made(Recipe("whole", "whole", True, False, ((False, frozenset({"helm"})),), frozenset(), ()))
    for name in facts.FLUX_DEPLOYMENTS:
        controller = one(cluster, "apps", "Deployment", name, facts.FLUX_NAMESPACE)
        cluster.change(controller, body={**controller.body, "spec": {**controller.body["spec"], "replicas": 0}})
        pod = one(cluster, "", "Pod", f"{name}-1-x", facts.FLUX_NAMESPACE)
        del cluster.objects[pod.uid]
    chart = one(cluster, *facts.HELM_CHART.group_kind, "pkg0-home-pkg0-pkg0", "pkg0-home")
    cluster.change(chart, finalizers=(facts.FLUX_FINALIZER,))
    decision = decided(cluster, force_finalizers=(GONE,), flux="keep")
    assert not decision.refusals
    assert verbs(decision, chart.ref) == {"delete", "release-finalizer"}
    assert release_of(cluster).ref.name in drops(decision)


@pytest.mark.parametrize(
    ("finalizer", "of_kubernetes"),
    [
        ("foregroundDeletion", True),
        ("kubernetes", True),
        ("batch.kubernetes.io/job-tracking", True),
        ("customresourcecleanup.apiextensions.k8s.io", True),
        ("service.kubernetes.io/load-balancer-cleanup", True),
        ("finalizers.fluxcd.io", False),
        ("example.com/held", False),
        ("mykubernetes.io/x", False),
    ],
)
def test_kubernetes_own_finalizers_are_told_by_their_domain(finalizer: str, of_kubernetes: bool) -> None:
    assert is_of_kubernetes(finalizer) == of_kubernetes


def test_what_is_left_shows_in_the_kinds_that_are_verified() -> None:
    cluster = installed(packages=2)
    before = cluster.survey()
    decision = plan(before, Options())
    kinds = kinds_to_verify(before, decision)
    seen = {ref: found for ref, found in before.objects.items() if ref.group_kind in kinds}
    assert ("networking.k8s.io", "Ingress") not in kinds
    whole = verify(before, decision)
    assert whole.leftovers
    assert verify(replace(before, objects=seen), decision).leftovers == whole.leftovers
