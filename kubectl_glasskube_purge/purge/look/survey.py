"""One survey of the cluster: reads everything that has to do with Glasskube, and the evidence for it. Never writes.

What is worth keeping is decided by `relevant`, what the objects show together by `compose`. A list that fails is
remembered in `unreadable`; no caller may take it for an empty one. What the findings mean is left to the judge.
"""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube import errors
from kubectl_glasskube_purge.kube.client import PAGE, Client
from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.retries import Tries
from kubectl_glasskube_purge.purge.judge.foreign import CONTROL_PLANE
from kubectl_glasskube_purge.purge.judge.ownership import (
    helm_release_made_by,
    helm_release_of,
    helm_releases_of,
    noted_release,
    stored_release,
)
from kubectl_glasskube_purge.purge.model.kinds import (
    API_SERVICE,
    DEFINITION,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    SECRET,
)
from kubectl_glasskube_purge.purge.model.survey import (
    WEBHOOK_CONFIGURATION,
    PassedOver,
    StoredRelease,
    Survey,
    Unreadable,
)

from . import helm_release
from .compose import compose, controllers
from .relevant import FIRST, ROOTS, is_packaged, package_namespaces, relevant, whole, without_aliases

NOT_SERVED_SECONDS = 10.0
"""How long a list is tried again of a kind that exists and isn't served: longer than a new CRD takes to be served."""


@dataclass
class _Reading:
    """What one survey has read so far."""

    client: Client
    objects: dict[Ref, Found] = field(default_factory=dict)
    listed: dict[tuple[str, str], str] = field(default_factory=dict)
    uids: array[int] = field(default_factory=lambda: array("q"))
    """Hashes of the UIDs of all that was read: a twelfth of their memory. Two are alike by chance, once in 10^14."""
    counted: dict[tuple[str, str], int] = field(default_factory=dict)
    passed_over: dict[tuple[str, str], PassedOver] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    whole: frozenset[tuple[str, str]] = whole({})
    """Kinds that are read whole."""

    @property
    def resources(self) -> list[Resource]:
        """The kinds to list. Those of an extension API server that doesn't answer are known to be unreadable."""
        discovery = self.client.discovery
        return [
            resource
            for resource in discovery.resources
            if resource.plural != "events"
            and resource.verbs >= {"list", "delete"}
            and f"{resource.group}/{resource.version}" not in discovery.unreadable
        ]

    @contextlib.contextmanager
    def doubt(self, what: str, kind: tuple[str, str] | None = None, namespaced: bool = False) -> Iterator[None]:
        """Remembers what a request fails to read. Raises `Unauthorized`: then every request fails."""
        try:
            yield
        except errors.Unauthorized:
            raise
        except errors.KubeError as error:
            self.unreadable.append(Unreadable(what, error.message, kind, namespaced))

    async def list(self, resource: Resource, namespace: str = "", keep: Callable[[Found], bool] | None = None) -> None:
        """Lists a kind. One that is gone since the discovery has no objects."""

        passed_over, counted = PassedOver(), 0

        def count_and_keep(found: Found) -> bool:
            nonlocal passed_over, counted
            counted += 1
            self.uids.append(hash(found.uid))
            if keep is None or keep(found):
                return True
            if resource.group_kind in facts.FLUX_GROUP_KINDS:
                passed_over = passed_over.and_(found.ref)
            return False

        tries = Tries(min(NOT_SERVED_SECONDS, self.client.retry_seconds), self.client.hurry)
        with self.doubt(str(resource), resource.group_kind, resource.namespaced):
            while True:
                try:
                    entire = resource.group_kind in self.whole
                    listing = await self.client.list(resource, namespace=namespace, whole=entire, keep=count_and_keep)
                except errors.NotFound as error:
                    if await self.client.has_ended(resource):
                        return
                    await tries.again(errors.Busy(f"it exists, and isn't served: {error.message}"))
                    continue
                self.listed[resource.group_kind] = listing.resource_version
                self.counted[resource.group_kind] = counted
                self.passed_over[resource.group_kind] = passed_over
                self.take(listing.items)
                return

    def take(self, items: Iterable[Found]) -> None:
        """Adds objects, in place of what was read of them before, unless that was more of them."""
        for found in items:
            if found.body or not ((before := self.objects.get(found.ref)) and before.body):
                self.objects[found.ref] = found

    def composed(self, looked_at: Iterable[tuple[str, str]]) -> Survey:
        """The survey of what was read, of the kinds `looked_at`.

        Glasskube's own kinds count as read if they aren't served: their CRDs are seen to be gone.
        """
        defines = {str(resource): resource.group_kind for resource in self.resources}
        watched = {resource.group_kind for resource in self.resources if "watch" in resource.verbs}
        objects = without_aliases(self.objects, watched)
        named = {hash(owner.uid): owner.uid for found in objects.values() for owner in found.owners}
        survey = compose(
            objects,
            defines=defines,
            uids={named[one] for one in self.uids if one in named},
            unreadable=self.unreadable,
            looked_at={*facts.GLASSKUBE_GROUP_KINDS, *looked_at},
        )
        return replace(survey, listed=dict(self.listed), counted=dict(self.counted), passed_over=dict(self.passed_over))

    @property
    def roots(self) -> Mapping[Ref, Found]:
        """What shows which objects matter."""
        return {ref: found for ref, found in self.objects.items() if ref.group_kind in ROOTS}


async def survey(
    client: Client,
    also: Collection[Ref] = (),
    *,
    all_of_flux: bool = False,
    kinds: Collection[tuple[str, str]] | None = None,
) -> Survey:
    """Surveys the whole cluster, or only some kinds of it. Objects named in `also` are kept whatever they are.

    With `all_of_flux`, so are all objects of Flux's kinds: whatever deletes their CRDs deletes those of others, too.

    Raises `KubeError` only if the cluster can't be surveyed at all; a single
    kind that can't be listed ends up in `unreadable`.
    """
    reading = await _begun(client)
    resources = [one for one in reading.resources if kinds is None or one.group_kind in FIRST.union(kinds)]
    await _list_all(reading, resources, frozenset(also), all_of_flux)
    _, releases = await asyncio.gather(_read_whole(reading), _read_releases(reading))
    if not controllers(reading.objects)[1].running:
        # Only this program can uninstall them.
        releases = {**releases, **await _read_releases(reading, every=True, known=releases)}
    helm_releases = [f for f in reading.objects.values() if f.ref.group_kind == facts.HELM_RELEASE.group_kind]
    noted = {(helm_release_made_by(found), str(noted_release(found).get("digest") or "")) for found in helm_releases}
    # By the clock that wrote the objects' times: this machine's may be wrong.
    taken = client.answered.strftime("%Y-%m-%dT%H:%M:%SZ") if client.answered else ""
    return replace(
        reading.composed(resource.group_kind for resource in resources),
        helm_keeps=frozenset(_kept_by_helm(reading, releases)),
        hook_programs={
            made: release.programs
            for (made, _), release in releases.items()
            if release.programs and (made, release.digest) in noted
        },
        unavailable=tuple(sorted(_unavailable(reading))),
        releases={
            found.ref: release
            for found in helm_releases
            if (release := releases.get((helm_release_made_by(found), stored_release(found))))
            and not helm_release.mismatch(found, release)
        },
        undecoded={stored: release.problem for (_, stored), release in sorted(releases.items()) if release.problem},
        taken=taken,
    )


async def _list_all(
    reading: _Reading, resources: Collection[Resource], also: frozenset[Ref], all_of_flux: bool
) -> None:
    """Lists all kinds, those first that show what of the others matters."""
    await asyncio.gather(*(reading.list(resource) for resource in resources if resource.group_kind in FIRST))
    reading.whole = whole(reading.objects)
    everything = frozenset(facts.FLUX_GROUP_KINDS) if all_of_flux else frozenset()
    others = [resource for resource in resources if resource.group_kind not in FIRST]
    namespaces: frozenset[str] | None = None
    # Again if it shows only then in which namespaces packages have something: what was passed over there matters.
    while namespaces is None or not package_namespaces(reading.roots) <= namespaces:
        namespaces = package_namespaces(reading.roots)
        keep = relevant(reading.roots, resources, also)
        await asyncio.gather(
            *(reading.list(one, keep=None if one.group_kind in everything else keep) for one in others)
        )


async def _begun(client: Client) -> _Reading:
    """Asks which kinds there are now. Raises `KubeError`."""
    discovery = await client.discover()
    reading = _Reading(client)
    reading.unreadable += [Unreadable(group, "its API server doesn't answer") for group in discovery.unreadable]
    return reading


def _unavailable(reading: _Reading) -> set[Ref]:
    """The APIServices whose server doesn't answer, by the discovery and by their own condition.

    The discovery leaves out one that has never answered; the condition takes a moment to change.
    """
    stale = (group_version.partition("/") for group_version in reading.client.discovery.unreadable)
    unavailable = {Ref(*API_SERVICE, "", f"{version}.{group}", "v1") for group, _, version in stale}
    for ref, found in reading.objects.items():
        if ref.group_kind == API_SERVICE and found.get("spec", "service"):
            conditions = found.get("status", "conditions") or ()
            if any(one.get("type") == "Available" and one.get("status") == "False" for one in conditions):
                unavailable.add(ref)
    return unavailable


async def revisit(
    client: Client,
    kinds: Collection[tuple[str, str]],
    namespaces: Collection[str],
    counted: Mapping[tuple[str, str], int],
) -> Survey:
    """Surveys again all instances of some kinds, and all that is in some namespaces. Nothing else is in it.

    How many objects the last survey `counted` of a kind decides if a list of all namespaces takes fewer requests than
    one per namespace. An owner of a kind that wasn't read counts as existing, except for Glasskube's own kinds: those
    were seen to be gone before. Raises `KubeError` if it isn't known which kinds there are, and `Unauthorized`; a kind
    that can't be listed ends up in `unreadable`.
    """
    reading = await _begun(client)
    wanted: list[tuple[Resource, str]] = []
    for resource in reading.resources:
        pages = 1 + counted.get(resource.group_kind, 0) // PAGE
        if resource.group_kind in kinds or (resource.namespaced and pages < len(namespaces)):
            wanted.append((resource, ""))
        elif resource.namespaced:
            wanted += [(resource, name) for name in namespaces]

    def matters(found: Found) -> bool:
        return found.ref.group_kind in kinds or found.ref.namespace in namespaces

    await asyncio.gather(*(reading.list(resource, namespace, matters) for resource, namespace in wanted))
    if DEPLOYMENT in kinds:
        await _read_whole(reading)
    return reading.composed(resource.group_kind for resource, _ in wanted)


async def controllers_now(client: Client, before: Survey) -> Survey:
    """The same survey with the operator's and Flux's controllers as they are now. Raises `KubeError`."""
    served = [resource for kind in (DEPLOYMENT, POD) if (resource := client.discovery.find(*kind)) is not None]
    listings = await asyncio.gather(
        *(
            client.list(resource, namespace=namespace, whole=True)
            for resource in served
            for namespace in (facts.NAMESPACE, facts.FLUX_NAMESPACE)
        )
    )
    operator, helm, source = controllers({found.ref: found for listing in listings for found in listing.items})
    return replace(before, operator=operator, helm_controller=helm, source_controller=source)


async def _read_whole(reading: _Reading) -> None:
    """Replaces the metadata of what has to be read whole: controllers, Pods of theirs and with volumes, the webhook
    configuration, CRDs that are being deleted, whose conditions show why they still exist, and those of packages that
    have instances, of which a conversion webhook may be part."""
    client, objects = reading.client, reading.objects

    async def all_in(kind: tuple[str, str], namespace: str) -> None:
        resource = client.discovery.find(*kind)
        if resource is not None:
            with reading.doubt(f"{resource} in {namespace}"):
                reading.take((await client.list(resource, namespace=namespace, whole=True)).items)

    async def one(ref: Ref) -> None:
        with reading.doubt(str(ref)):
            found = await client.get(ref, whole=True)
            reading.take([found] if found is not None else [])

    defines = {str(resource): resource.group_kind for resource in reading.resources}
    in_use = {found.ref.group_kind for found in objects.values()} | {one.kind for one in reading.unreadable}
    single = [
        ref
        for ref, found in objects.items()
        if ref.group_kind == DEFINITION
        and (found.terminating or (is_packaged(found) and defines.get(ref.name, ("", "")) in in_use))
    ]
    single += [ref for ref in objects if ref == WEBHOOK_CONFIGURATION]
    own = {facts.NAMESPACE, facts.FLUX_NAMESPACE}
    present = own & {ref.name for ref in objects if ref.group_kind == NAMESPACE}
    # Who uses the volumes of packages, because a claim in use isn't deleted, and which programs the packages run.
    homes = package_namespaces(objects) & {ref.namespace for ref in objects if ref.group_kind == POD}
    await asyncio.gather(
        *(one(ref) for ref in single),
        *(all_in(POD, namespace) for namespace in present | homes),
        *(all_in(DEPLOYMENT, namespace) for namespace in present),
    )


def release_secret(objects: Mapping[Ref, Found], namespace: str, name: str) -> Found | None:
    """The Secret in which Helm keeps the newest revision of a release, its metadata alone."""
    revisions = [
        found
        for found in objects.values()
        if found.ref.group_kind == SECRET
        and found.ref.namespace == namespace
        and found.labels.get("owner") == "helm"
        and found.labels.get("name") == name
    ]
    numbered = [found for found in revisions if found.labels.get("version", "").isdecimal()]
    return max(numbered, key=lambda found: int(found.labels["version"]), default=None)


Names = tuple[tuple[str, str], tuple[str, str]]
"""Namespace and name of a Helm release: where its chart is installed, and where Helm stores it."""


async def _read_releases(
    reading: _Reading, every: bool = False, known: Collection[Names] = ()
) -> Mapping[Names, StoredRelease]:
    """What is stored of the releases of HelmReleases that have objects marked to be kept, or objects beside them that
    nothing explains and that their hooks may have made; or of `every` one but those `known`.

    No controller uninstalls any other release, so what it keeps doesn't matter. Helm reads its policy from the
    manifest in the release's Secret, not from an annotation that was added to the live object later.
    """
    keep = facts.KEEP_ANNOTATIONS[helm_release.POLICY]
    objects = reading.objects.values()
    marked = {helm_release_of(found) for found in objects if found.annotations.get(helm_release.POLICY) == keep}
    unexplained = {
        found.ref.namespace
        for found in objects
        if not (found.owners or helm_release_of(found) or CONTROL_PLANE.issuperset(found.managers))
        and found.ref.group_kind not in facts.FLUX_GROUP_KINDS
    }
    owned = {ref.name for ref, found in reading.objects.items() if ref.group_kind == NAMESPACE and found.owners}
    made = (found for found in objects if found.ref.group_kind == facts.HELM_RELEASE.group_kind)
    names = {
        (helm_release_made_by(f), stored_release(f))
        for f in made
        if every or helm_releases_of(f)[0] in marked or helm_release_made_by(f)[0] in unexplained & owned
    }
    secrets: dict[Names, Found] = {}

    async def read(made: tuple[str, str], stored: tuple[str, str]) -> None:
        newest = release_secret(reading.objects, *stored)
        if newest is None:
            return
        with reading.doubt(newest.ref.display):
            secret = await reading.client.get(newest.ref, whole=True)
            if secret is not None:
                secrets[made, stored] = secret

    await asyncio.gather(*(read(*name) for name in sorted(names.difference(known))))
    decoded = await helm_release.decode_all([(secret, made[0]) for (made, _), secret in secrets.items()])
    return dict(zip(secrets, decoded, strict=True))


def _kept_by_helm(reading: _Reading, releases: Mapping[Names, StoredRelease]) -> Iterator[Ref]:
    """What stored manifests say is kept, of the objects that are marked as that release's: any other is not its own."""
    for (made, _), release in releases.items():
        for ref in release.kept:
            if (found := reading.objects.get(ref)) is not None and helm_release_of(found) == (*made, False):
                yield ref
