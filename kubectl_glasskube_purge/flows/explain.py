"""Why the purge would delete or keep one object: look, decide, and answer for that object. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubectl_glasskube_purge.glasskube import inventory
from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.connect import Flags
from kubectl_glasskube_purge.kube.errors import NotFound
from kubectl_glasskube_purge.kube.objects import Found
from kubectl_glasskube_purge.kube.resources import Resource
from kubectl_glasskube_purge.kube.wording import some
from kubectl_glasskube_purge.purge.judge.explain import Explanation, explain
from kubectl_glasskube_purge.purge.judge.plan import plan
from kubectl_glasskube_purge.purge.look.survey import survey
from kubectl_glasskube_purge.purge.model.plan import Options
from kubectl_glasskube_purge.purge.model.record import Record
from kubectl_glasskube_purge.purge.model.survey import Survey

from .run import connected


@dataclass(frozen=True)
class Wanted:
    """Which object is asked about, as kubectl's users name one."""

    kind: str
    name: str
    namespace: str = ""
    """`""` where none was given: then it is looked for in all."""

    def __str__(self) -> str:
        """`deployment/x`, with `-n` where a namespace is known."""
        return f"{self.kind}/{self.name}" + (f" -n {self.namespace}" if self.namespace else "")


@dataclass(frozen=True)
class ExplainRequest:
    """What the user asks, and the purge that is asked about."""

    wanted: Wanted
    flags: Flags = field(default_factory=Flags)
    options: Options = field(default_factory=Options)


async def answer(request: ExplainRequest, record: Record) -> Explanation:
    """The explanation. Raises `KubeError`, `NotFound` where there is no such object among them."""
    async with connected(request.flags, record) as client:
        wanted = request.wanted
        resource = (await client.discover()).named(wanted.kind)
        if resource is None:
            raise NotFound(
                f'the server doesn\'t have a resource type "{wanted.kind}"', hint="See which: kubectl api-resources"
            )
        asked = resource.ref(wanted.namespace, wanted.name)
        looked = record.survey = await survey(client, also=frozenset({asked}), all_of_flux=True)
        decided = record.plan = plan(looked, request.options, inventory.digests(looked.version.version).keys())
        return explain(looked, decided, await _find(client, looked, resource, wanted))


async def _find(client: Client, looked: Survey, resource: Resource, wanted: Wanted) -> Found:
    anywhere = [f for f in looked.of_kind(resource.group_kind) if f.ref.name == wanted.name]
    there = [f for f in anywhere if not resource.namespaced or wanted.namespace in ("", f.ref.namespace)]
    if len(there) > 1:
        namespaces = some(sorted(f.ref.namespace for f in there), 5)
        raise NotFound(f"there are several {resource} called {wanted.name}", hint=f"Say which with -n: {namespaces}")
    if there:
        return there[0]
    if wanted.namespace or not resource.namespaced:
        found = await client.get(resource.ref(wanted.namespace, wanted.name))
        if found is not None:
            return found
    elsewhere = "" if wanted.namespace or not resource.namespaced else " related to Glasskube"
    hint = "Say with -n in which namespace it is." if elsewhere else f"See what there is: kubectl get -A {resource}"
    raise NotFound(f'{resource} "{wanted.name}"{elsewhere} not found', hint=hint)
