"""The plan's promises, tried on clusters of all kinds.

What may go, what has to stay and what a purge does to a cluster is known here
without asking the code: by who put an object in (`clusters`), and by a model of
what Kubernetes does (`kubernetes`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hypothesis import HealthCheck, Phase, example, given, settings

from kubectl_glasskube_purge.glasskube import facts, inventory
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.judge import flux
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.look.compose import compose
from kubectl_glasskube_purge.purge.model.plan import STAGES, Options, Plan
from tests.purge import clusters, kubernetes
from tests.purge.clusters import Cluster, Recipe, made

thoroughly = settings(
    max_examples=max(200, settings().max_examples),  # the profile of `make test-crash` asks for more
    derandomize=True,  # one failure in a thousand runs helps nobody
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.generate),  # a recipe is short enough to be read as it is
)


def decided(cluster: Cluster, options: Options) -> Plan:
    return plan(cluster.survey(all_of_flux=options.flux == "delete"), clusters.chosen(cluster, options))


def consents_to(cluster: Cluster, options: Options, uid: str) -> bool:
    """Whether the user agreed to lose what is somebody else's."""
    found = cluster.objects[uid]
    if found.ref.namespace in options.include_foreign:
        return True
    if options.flux != "delete" or not options.delete_shared_flux:
        return False
    flux = {kind.group_kind for kind in facts.FLUX_KINDS}
    return found.ref.group_kind in flux or facts.FLUX_NAMESPACE in (found.ref.namespace, found.ref.name)


def may_go(cluster: Cluster) -> set[str]:
    """Everything that Glasskube, its packages or its Flux brought."""
    return cluster.objects.keys() - cluster.foreign


def names(cluster: Cluster, uids: Collection[str]) -> list[str]:
    return sorted(cluster.objects[uid].ref.display for uid in uids)


@thoroughly
@given(clusters.recipes(), clusters.options())
def test_nothing_goes_but_what_the_plan_says_and_nothing_that_others_need(recipe: Recipe, options: Options) -> None:
    cluster = made(recipe)
    decision = decided(cluster, options)
    if decision.refusals:
        return  # nothing is carried out
    anyway = kubernetes.settled(cluster.world)
    outcome = kubernetes.carried_out(decision, cluster.world)
    gone = outcome.gone.keys() - anyway
    promised = {found.uid for found in decision.going.values()}

    seen = {uid for uid in gone if cluster.objects[uid].ref.group_kind not in cluster.hidden}
    assert not names(cluster, seen - promised), "goes, and the plan doesn't say so"
    if outcome.finished:
        assert not names(cluster, promised - outcome.gone.keys()), "stays, though the plan says it goes"
    lost = {uid for uid in gone & cluster.foreign if not consents_to(cluster, options, uid)}
    assert not names(cluster, lost), "somebody else's"
    assert not names(cluster, gone & cluster.needed), "protected, or used by others"
    assert not outcome.wrongs


USED = Recipe(
    "whole", "whole", True, True, ((False, frozenset({"crd"})),), frozenset(), (("their_converted_instance", 0),)
)


@thoroughly
@given(clusters.recipes(), clusters.options())
@example(USED, Options(delete_in_use=True, ignore_busy=True))
def test_nothing_that_stays_loses_its_namespace_its_definition_or_its_controller(
    recipe: Recipe, options: Options
) -> None:
    cluster = made(recipe)
    decision = decided(cluster, options)
    if decision.refusals:
        return
    outcome = kubernetes.carried_out(decision, cluster.world)
    present = {f.ref for f in cluster.objects.values()}
    left = {f.ref for uid, f in cluster.objects.items() if uid not in outcome.gone}
    definitions = {kind: Ref(*kubernetes.DEFINITION, "", name) for name, kind in cluster.defines.items()}
    changed = {action.ref for stage in decision.stages for action in stage.actions if action.verb == "apply"}
    converted = {
        kind: Ref("", "Service", service["namespace"], service["name"])
        for kind, ref in definitions.items()
        for found in cluster.objects.values()
        if found.ref == ref and ref not in changed
        if (service := found.get("spec", "conversion", "webhook", "clientConfig", "service"))
    }
    for ref in left if outcome.finished else ():
        home = Ref("", "Namespace", "", ref.namespace)
        assert home in left or home not in present, ref
        if ref.group_kind in definitions:
            assert definitions[ref.group_kind] in left, ref
        if ref.group_kind in converted:
            assert converted[ref.group_kind] in left, ref
        if ref.group_kind == facts.HELM_RELEASE.group_kind:
            assert kubernetes.HELM_CONTROLLER in left or kubernetes.HELM_CONTROLLER not in present, ref
    for name in ("default", "kube-system", "kube-node-lease"):
        assert Ref("", "Namespace", "", name) in left
        assert Ref("", "Namespace", "", name) not in decision.going


@thoroughly
@given(clusters.recipes(), clusters.options())
def test_flux_goes_by_full_proof_or_by_consent_and_by_nothing_else(recipe: Recipe, options: Options) -> None:
    cluster = made(recipe)
    decision = decided(cluster, options)
    flux = {found.uid for found in cluster.flux()}
    touched = flux & {found.uid for found in decision.going.values()}
    if not flux - {uid for uid in flux if cluster.objects[uid].ref.group_kind in cluster.hidden}:
        return
    consent = options.flux == "delete" and options.delete_shared_flux
    if options.flux == "keep" or (cluster.doubts and not consent):
        assert not touched, cluster.doubts
        assert decision.flux == "keep"
    if options.flux == "delete" and cluster.doubts and not options.delete_shared_flux:
        assert {"flux-shared", "flux-needed"} & {one.code for one in decision.refusals}
    if decision.flux == "keep" and cluster.doubts:
        assert decision.verdict.present
        assert not decision.verdict.proven, cluster.doubts
        assert any(evidence.against for evidence in decision.verdict.evidence)
    if not cluster.doubts and options.flux != "keep":
        assert decision.verdict.proven, [evidence.text for evidence in decision.verdict.evidence if evidence.against]
        stays = {kept.ref.group_kind for kept in decision.kept}
        if not options.keep_packages and not stays & {kind.group_kind for kind in facts.FLUX_KINDS}:
            assert touched == flux


@thoroughly
@given(clusters.recipes(), clusters.options())
def test_every_action_names_what_was_seen_and_says_why(recipe: Recipe, options: Options) -> None:
    cluster = made(recipe)
    survey = cluster.survey()
    decision = plan(survey, clusters.chosen(cluster, options))
    assert tuple(stage.name for stage in decision.stages) == STAGES
    named = [action for stage in decision.stages for action in stage.deletes]
    assert len({action.ref for action in named}) == len(named)
    for stage in decision.stages:
        for action in stage.actions:
            seen = survey.get(action.ref)
            assert seen is not None
            assert action.found.uid == seen.uid
            assert action.reason
            assert not (cluster.doubts and "nobody else" in action.reason)
            assert action.verb != "release-finalizer" or action.finalizer in seen.finalizers
        for consequence in stage.consequences:
            assert consequence.found.uid == cluster.objects[consequence.found.uid].uid
            assert consequence.reason
    assert all(kept.why for kept in decision.kept)
    assert not {kept.ref for kept in decision.kept} & decision.going.keys()
    # What is deleted by request is Glasskube's API, in a release, made by its programs, Flux's, or of packages' kinds.
    flux = {kind.group_kind for kind in facts.FLUX_KINDS}
    evident = inventory.every_object()
    made_at_run_time = {facts.LEASE, facts.WEBHOOK_SECRET}
    for action in named:
        ref = action.ref
        known = ref.group == facts.GROUP or ref in evident or ref.group_kind in flux or ref.name in made_at_run_time
        known |= ref.group_kind in {kind for crd, kind in cluster.defines.items() if crd.startswith("gadgets.")}
        dead = any(owner.uid not in cluster.objects for owner in action.found.owners)
        left_by_helm = options.delete_crds and action.found.uid in cluster.helm_keeps
        charts = {uid for own in cluster.charts.values() for uid in own} if options.force_finalizers else ()
        assert known or dead or left_by_helm or action.found.uid in charts, ref
        assert ref.group_kind not in flux or action.found.uid in may_go(cluster) or decision.flux == "delete", ref


@thoroughly
@given(clusters.recipes(), clusters.options())
def test_dependents_are_deleted_before_what_they_depend_on(recipe: Recipe, options: Options) -> None:
    cluster = made(recipe)
    decision = decided(cluster, options)
    if decision.refusals:
        return
    gone = kubernetes.carried_out(decision, cluster.world).gone
    reach: dict[str, set[str]] = {package.uid: set() for package in cluster.packages}
    for _ in cluster.packages:
        for one, other in cluster.requires:
            reach[one] |= {other} | reach[other]
    kept = {package.uid for package in cluster.packages if package.ref in decision.kept_packages}
    for one, other in cluster.requires:
        if one in reach[other] or kept & {one, other}:
            continue
        for found in decision.going.values():
            part = found.uid == other or (found.ref.kind == "HelmRelease" and found.owned_by({other}))
            if part and found.uid in gone:
                assert gone.get(one, len(gone)) < gone[found.uid], found.ref


@thoroughly
@given(clusters.recipes(), clusters.options(), clusters.additions())
def test_what_others_add_or_what_cannot_be_read_never_makes_more_go(
    recipe: Recipe, options: Options, addition: tuple[str, int]
) -> None:
    before = made(recipe)
    after = made(recipe)
    clusters.FEATURES[addition[0]](after, addition[1])
    later = decided(after, options)
    # Whatever is used from then on may be handed over to Helm: what Flux had for it goes, and nothing is uninstalled.
    flux = facts.FLUX_GROUP_KINDS if later.keep_packages == "helm" else ()
    less = {found.uid for found in later.going.values() if found.ref.group_kind not in flux} & before.objects.keys()
    assert not names(before, less - {found.uid for found in decided(before, options).going.values()})


def test_what_others_rely_on_is_kept_with_all_it_needs_or_is_deleted_by_consent() -> None:
    refused = []

    @thoroughly
    @given(clusters.shared(), clusters.options())
    def holds(recipe: Recipe, options: Options) -> None:
        cluster = made(recipe)
        decision = decided(cluster, options)
        refused.append(bool(decision.refusals))
        if not decision.refusals:
            assert_nothing_used_is_deleted_without_consent(cluster, options, decision)
            assert_what_is_kept_has_all_it_needs(cluster, decision)

    holds()
    assert len(refused) >= 200
    assert sum(refused) * 3 < len(refused), "most examples show nothing"


@thoroughly
@given(clusters.recipes())
def test_what_speaks_against_deleting_flux_is_in_the_kinds_that_are_asked_again(recipe: Recipe) -> None:
    survey = made(recipe).survey(all_of_flux=True)
    seen = {
        ref: found
        for ref, found in survey.objects.items()
        if ref.group_kind in flux.KINDS or ref.namespace == facts.FLUX_NAMESPACE
    }
    again = compose(seen, defines=survey.defines, unreadable=survey.unreadable, looked_at=flux.KINDS)
    assert not flux.judge(again).proven or flux.judge(survey).proven


@thoroughly
@given(clusters.shared())
def test_packages_that_only_one_another_use_are_deleted_with_all_they_brought_and_made(recipe: Recipe) -> None:
    features = tuple(one for one in recipe.features if one[0].startswith("a_packages"))
    packages = tuple((False, parts) for _, parts in recipe.packages)  # in a user's namespace what they made is kept
    cluster = made(replace(recipe, helm_runs=True, packages=packages, features=features))
    decision = decided(cluster, Options(ignore_busy=True))
    assert not decision.refusals
    gone = kubernetes.carried_out(decision, cluster.world).gone.keys()
    assert not names(cluster, cluster.objects.keys() - cluster.foreign - gone)


def assert_nothing_used_is_deleted_without_consent(cluster: Cluster, options: Options, decision: Plan) -> None:
    kept = {package.uid for package in cluster.packages if package.ref in decision.kept_packages}
    staying = cluster.foreign.union(*map(cluster.brought_by, kept))
    for package, user in cluster.relied_on:
        lost = consents_to(cluster, options, user)
        if user in staying - cluster.brought_by(package) and not lost:
            assert package in kept or options.delete_in_use, names(cluster, (package, user))


def assert_what_is_kept_has_all_it_needs(cluster: Cluster, decision: Plan) -> None:
    gone = kubernetes.carried_out(decision, cluster.world).gone.keys() - kubernetes.settled(cluster.world)
    of_flux_kinds = {kind.group_kind for kind in facts.FLUX_KINDS}
    kept = {package.uid for package in cluster.packages if package.ref in decision.kept_packages}
    for package, other in cluster.requires:
        assert package not in kept or other in kept, names(cluster, (package, other))
    for package in kept:
        of_flux = {uid for uid in cluster.brought_by(package) if cluster.objects[uid].ref.group_kind in of_flux_kinds}
        assert not names(cluster, gone & cluster.brought_by(package) - of_flux)
        if decision.keep_packages == "flux" and of_flux:
            assert not names(cluster, gone & (of_flux | {found.uid for found in cluster.flux()}))
