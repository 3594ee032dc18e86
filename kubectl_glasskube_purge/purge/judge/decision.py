"""What becomes of each package: kept, deleted, or for the user to decide because others rely on it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.purge.model.plan import Decision, Options, Use, package_name
from kubectl_glasskube_purge.purge.model.survey import KEPT_ANNOTATION, Package, Survey

from .brought import brought
from .usage import Others, uses


def decide(survey: Survey, options: Options) -> tuple[Decision, ...]:
    """Decides about every package, in the order of the survey.

    What a kept package depends on is kept with it. One that an interrupted run began to
    hand over counts as used. Who relies on a package depends on which ones go: a
    package's own use of another counts only if it stays.
    """
    by_ref = {package.ref: package for package in survey.packages}
    begun = {ref for ref in by_ref if package_name(ref) in handed_over(survey)}
    why = {ref: "--keep" for ref in by_ref if package_name(ref) in options.keep}
    if options.keep_in_use:  # what is detached already no longer shows what relies on it
        why |= dict.fromkeys(begun, "--keep-in-use")
    if options.keep_packages:
        why |= dict.fromkeys(by_ref, "--keep-packages")
    while True:
        _keep_required(why, by_ref)
        used = _used(survey, why)
        more = used.keys() - why.keys() if options.keep_in_use else set()
        if not more:
            break
        why |= dict.fromkeys(more, "--keep-in-use")
    used = {**dict.fromkeys(begun, ()), **used}
    return tuple(_decision(ref, why, used, options) for ref in by_ref)


def _decision(ref: Ref, why: Mapping[Ref, str], used: Mapping[Ref, tuple[Use, ...]], options: Options) -> Decision:
    if ref in why:
        return Decision(ref, "keep", used.get(ref, ()), why[ref])
    if ref in used and not options.delete_in_use:
        return Decision(ref, "undecided", used[ref])
    return Decision(ref, "delete", used.get(ref, ()))


def _keep_required(why: dict[Ref, str], packages: Mapping[Ref, Package]) -> None:
    pending = list(why)
    while pending:
        package = pending.pop()
        for required in packages[package].requires:
            if required in packages and required not in why:
                why[required] = f"{package_name(package)} depends on it"
                pending.append(required)


def _used(survey: Survey, kept: Collection[Ref]) -> Mapping[Ref, tuple[Use, ...]]:
    """The packages that others rely on, with what of them."""
    brings = brought(survey)
    # A package that is kept may be part of one that goes.
    own = _with_brought(survey, brings.keys() - kept) - _with_brought(survey, kept)
    used = {package.ref: uses(package, Others(survey, own | brings[package.ref].keys())) for package in survey.packages}
    return {ref: found for ref, found in used.items() if found}


def _with_brought(survey: Survey, packages: Collection[Ref]) -> set[Ref]:
    return set(packages).union(*(brought(survey)[ref] for ref in packages))


def handed_over(survey: Survey) -> tuple[str, ...]:
    """The packages that an earlier run noted to keep, and whose turn may have been over."""
    noted = survey.namespace.annotations.get(KEPT_ANNOTATION, "") if survey.namespace else ""
    return tuple(filter(None, noted.split(" ")))


def unknown(survey: Survey, names: Iterable[str]) -> tuple[str, ...]:
    """Names that no package has, nor had when an earlier run handed it over."""
    present = {*(package_name(package.ref) for package in survey.packages), *handed_over(survey)}
    return tuple(name for name in names if name not in present)
