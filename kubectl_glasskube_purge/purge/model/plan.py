"""What is decided: the plan, and everything it is made of. Data alone, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.problem import Problem
from kubectl_glasskube_purge.kube.wording import kinds, some

from .kinds import NAMESPACE

Verb = Literal["delete", "keep", "detach", "hand-over", "release-finalizer", "apply"]
KeepChoice = Literal["", "auto", "flux", "helm"]
KeepMode = Literal["", "flux", "helm"]
FluxChoice = Literal["auto", "keep", "delete"]
FluxDecision = Literal["keep", "delete", "absent"]
PackageDecision = Literal["delete", "keep", "undecided"]

GONE = "gone"
"""In place of a finalizer's name, which has a domain."""

BUSY = "busy"
"""Code of the refusal that goes away when work under way ends."""

STAGES = ("packages", "records", "controllers", "definitions", "namespaces")
"""In the order in which they run. Each is complete before the next begins, but packages' namespaces end beside them."""


@dataclass(frozen=True)
class Options:
    """What the user decides about a purge."""

    flux: FluxChoice = "auto"
    delete_shared_flux: bool = False
    include_foreign: tuple[str, ...] = ()
    """Namespaces of which everything may be deleted, whatever created it."""
    ignore_gitops: bool = False
    ignore_busy: bool = False
    force_finalizers: tuple[str, ...] = ()
    """Finalizers that may be dropped; `GONE`: of Flux, Glasskube and deleted packages, if their controller is gone."""
    keep_packages: KeepChoice = ""
    """All packages are kept. `auto`: handed over to Flux where it stays, to Helm where it goes."""
    keep: tuple[str, ...] = ()
    """Packages that are kept: NAME of a cluster-scoped one, NAMESPACE/NAME of another."""
    keep_in_use: KeepChoice = ""
    """Packages that others rely on are kept."""
    delete_in_use: bool = False
    """Consent to delete packages that others rely on."""
    delete_crds: bool = False
    """Deletes the CRDs that Helm leaves, if they have no instances."""
    hand_over: KeepChoice = ""
    """The tool that kept objects are handed over to."""


@dataclass(frozen=True)
class Action:
    """One thing to do to one object."""

    verb: Verb
    found: Found
    reason: str
    level: int = 0
    """Within its stage: the next level begins when all of a level are accepted, or wait for their `after`."""
    after: frozenset[str] = frozenset()
    """UIDs of what is gone before a delete is sent."""
    finalizer: str = ""
    """What `release-finalizer` takes off."""
    removes: bool = False
    """Whether the object is gone afterwards: every `delete`, and a `hand-over` to Helm."""

    @property
    def ref(self) -> Ref:
        """Which object."""
        return self.found.ref


@dataclass(frozen=True)
class Consequence:
    """An object that goes because another one does."""

    found: Found
    because: Ref
    rule: str
    """`owner`, `namespace`, `definition`, `helm` or `chart`."""
    root: Ref
    """What the chain of consequences started from."""

    @property
    def reason(self) -> str:
        """The rule in words."""
        words = {
            "owner": "owned by {}; the garbage collector deletes it",
            "namespace": "in {}, which takes everything in it along",
            "definition": "an instance of {}",
            "helm": "installed by {}; helm-controller uninstalls it",
            "chart": "fetched for {}; helm-controller deletes it",
        }
        return words[self.rule].format(self.because.display)


@dataclass(frozen=True)
class Stage:
    """Actions that run together, and what goes because of them."""

    name: str
    actions: tuple[Action, ...] = ()
    consequences: tuple[Consequence, ...] = ()

    @property
    def deletes(self) -> tuple[Action, ...]:
        """The objects that are deleted by request."""
        return tuple(action for action in self.actions if action.verb == "delete" or action.removes)

    @property
    def going(self) -> tuple[Found, ...]:
        """The objects that are gone after it: what is deleted, and what goes with it."""
        return (*(action.found for action in self.deletes), *(consequence.found for consequence in self.consequences))


@dataclass(frozen=True)
class Kept:
    """Something that stays, and why."""

    ref: Ref
    why: str
    uid: str = ""


@dataclass(frozen=True)
class Lost:
    """Something that no backup brings back."""

    ref: Ref
    what: str
    """For people, e.g. `20Gi  gp3, reclaim policy Delete`."""


@dataclass(frozen=True)
class Evidence:
    """One finding about Flux, in words."""

    against: bool
    """Whether it speaks against deleting Flux."""
    text: str


@dataclass(frozen=True)
class FluxVerdict:
    """Whether Flux is there, whether it may go, and why."""

    objects: tuple[Found, ...] = ()
    """The objects that a Glasskube release brings, those that exist. Empty where there is no Flux."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def present(self) -> bool:
        """Whether anything of a Flux of Glasskube's names exists."""
        return bool(self.objects)

    @property
    def proven(self) -> bool:
        """Whether it is proven that Glasskube brought Flux and nothing else uses it."""
        return self.present and not any(evidence.against for evidence in self.evidence)


@dataclass(frozen=True)
class Protection:
    """An object of a package that has to stay, and why."""

    found: Found
    why: str
    for_whom: tuple[Ref, ...] = ()
    """The objects of others that need it."""


@dataclass(frozen=True)
class Use:
    """What of a package others rely on, and who they are."""

    what: str
    users: tuple[Ref, ...]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where they are."""
        return tuple(sorted({user.namespace for user in self.users} - {""}))

    @property
    def words(self) -> str:
        """How many of which kinds, in which namespaces, and of what."""
        where = f" in {some(self.namespaces)}" if self.namespaces else ""
        return f"{kinds(self.users)}{where} ({self.what})"


@dataclass(frozen=True)
class Decision:
    """What becomes of a package, and who relies on it."""

    package: Ref
    decision: PackageDecision = "delete"
    uses: tuple[Use, ...] = ()
    why: str = ""
    """Why it is kept."""

    @property
    def name(self) -> str:
        """As `--keep` takes it: NAME, or NAMESPACE/NAME."""
        return package_name(self.package)


def package_name(package: Ref) -> str:
    """NAME of a cluster-scoped package, NAMESPACE/NAME of another."""
    return f"{package.namespace}/{package.name}" if package.namespace else package.name


@dataclass(frozen=True)
class Plan:
    """What will be done."""

    stages: tuple[Stage, ...] = ()
    flux: FluxDecision = "absent"
    verdict: FluxVerdict = field(default_factory=FluxVerdict)
    kept: tuple[Kept, ...] = ()
    lost: tuple[Lost, ...] = ()
    warnings: tuple[Problem, ...] = ()
    packages: tuple[Decision, ...] = ()
    force_finalizers: tuple[str, ...] = ()
    include_foreign: tuple[str, ...] = ()
    """Both as in `Options`: what the user consents to while the plan is carried out."""
    keep_packages: KeepMode = ""
    """The tool that what the kept packages installed is handed over to; `""` if no package is kept."""
    refusals: tuple[Problem, ...] = ()
    """Why it must not be carried out as it is. The preview shows it all the same."""

    @cached_property
    def ending(self) -> frozenset[str]:
        """The namespaces that are deleted."""
        return frozenset(ref.name for ref in self.going if ref.group_kind == NAMESPACE)

    @cached_property
    def kept_packages(self) -> frozenset[Ref]:
        """The packages that are handed over."""
        return frozenset(one.package for one in self.packages if one.decision == "keep")

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(stage.actions for stage in self.stages)

    @cached_property
    def deletes(self) -> Mapping[Ref, Action]:
        """Every object that is deleted by request."""
        return {action.ref: action for stage in self.stages for action in stage.deletes}

    @cached_property
    def going(self) -> Mapping[Ref, Found]:
        """Everything that will be gone: what is deleted, and what goes with it."""
        direct = {ref: action.found for ref, action in self.deletes.items()}
        return direct | {c.found.ref: c.found for stage in self.stages for c in stage.consequences}
