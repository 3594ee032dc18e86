"""Keeps objects although what owns them is deleted: the operator is stopped, then ownerReferences are taken off.

A kept HelmRelease's chart is handed over to Helm by deleting a suspended HelmRelease, which uninstalls nothing.
"""

from __future__ import annotations

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import edits, errors
from kubectl_glasskube_purge.purge.model.events import GuardStopped, ObjectDone, ObjectOutcome
from kubectl_glasskube_purge.purge.model.plan import Action

from .finalizers import drop
from .run import Run

_MANAGED_BY = (facts.MANAGED_BY_LABEL, facts.MANAGED_BY)
"""The label that is no longer true of a detached object."""


async def detach(run: Run, stage: str, action: Action) -> None:
    """Takes the ownerReferences of objects that go, or are gone, off a kept object, and sees that they are off.

    Raises `GuardStopped` if another object has its name, `Interrupted` and `KubeError`.
    """
    run.raise_if_stopped()
    going = {found.uid for found in run.plan.going.values()}
    going |= {owner.uid for owner in action.found.owners} - run.survey.existing
    answer = await edits.remove_owners(run.client, action.ref, uid=action.found.uid, owners=going, label=_MANAGED_BY)
    if answer == "replaced":
        raise GuardStopped(
            "replaced",
            f"another object is called {action.ref.display} now",
            "Run this again: the cluster is surveyed again.",
        )
    done: ObjectOutcome = "handed-over" if action.verb == "hand-over" else "detached"
    outcome: ObjectOutcome = "absent" if answer == "absent" else done
    run.emit(ObjectDone(stage, action.ref, action.found.uid, action.verb, outcome, direct=False))


async def take_conversion_off(run: Run, stage: str, action: Action) -> None:
    """Sets a kept CRD's conversion strategy to None.

    Raises `GuardStopped` if its versions are no longer those that were seen, `Interrupted` and `KubeError`.
    """
    run.raise_if_stopped()
    seen = {"op": "test", "path": "/spec/versions", "value": action.found.get("spec", "versions")}
    patch = edits.setting(action.found.uid, "/spec/conversion", {"strategy": "None"})
    try:
        await run.client.patch(action.ref, [seen, *patch])
    except (errors.NotFound, errors.Invalid) as error:
        hint = "Run this again: the cluster is surveyed again."
        raise GuardStopped("changed", f"{action.ref.display} has changed since the survey", hint) from error
    run.emit(ObjectDone(stage, action.ref, action.found.uid, "apply", "applied", action.reason))


async def hand_over_to_helm(run: Run, stage: str, action: Action) -> None:
    """Suspends a HelmRelease, sees that it is, and deletes it: its chart and its release Secret are kept.

    helm-controller drops the finalizer of a suspended HelmRelease without
    uninstalling. If it doesn't run, the finalizer is dropped here: nothing is lost by that.
    Raises `GuardStopped` if the HelmRelease doesn't stay suspended, `Interrupted` and `KubeError`.
    """
    run.raise_if_stopped()
    try:
        seen = await run.client.patch(action.ref, edits.setting(action.found.uid, "/spec/suspend", True))
        if seen.get("spec", "suspend") is not True:
            raise GuardStopped(
                "not-suspended",
                f"{action.ref.display} doesn't stay suspended: another client changes it back",
                "Find out who does (its managedFields tell), then run this again.",
            )
        await run.client.delete(action.ref, uid=action.found.uid, propagation="Orphan")
    except errors.NotFound:
        return
    if not run.survey.flux_controller(action.found).running:
        why = "no controller is there to drop it, and a suspended HelmRelease's finalizer guards nothing"
        await drop(run, stage, action.found, facts.FLUX_FINALIZER, why)
