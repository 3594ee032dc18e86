"""CRDs that are kept, and whose conversion webhook's Service is deleted: what keeps their instances readable. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kubectl_glasskube_purge.kube.objects import Found, Ref
from kubectl_glasskube_purge.purge.model.kinds import DEFINITION, SERVICE
from kubectl_glasskube_purge.purge.model.plan import Action
from kubectl_glasskube_purge.purge.model.survey import Survey


def losing(survey: Survey, going: Collection[Ref]) -> Iterator[tuple[Found, Ref]]:
    """The kept CRDs with instances that stay, each with the Service that converts them and that is `going`.

    Instances that can't be read count as some.
    """
    unread = {one.what for one in survey.unreadable}
    for found in survey.of_kind(DEFINITION):
        named = found.get("spec", "conversion", "webhook", "clientConfig", "service") or {}
        service = Ref(*SERVICE, str(named.get("namespace")), str(named.get("name")))
        if found.ref not in going and service in going:
            kind = survey.defines.get(found.ref.name, ("", ""))
            if found.ref.name in unread or any(one.ref not in going for one in survey.of_kind(kind)):
                yield found, service


def is_dispensable(definition: Found) -> bool:
    """Whether strategy None, which only changes `apiVersion`, loses nothing.

    It doesn't if all versions that are served or stored have the same schema.
    """
    stored = definition.get("status", "storedVersions") or ()
    versions = definition.get("spec", "versions") or ()
    schemas = [one.get("schema") for one in versions if one.get("served") or one.get("name") in stored]
    return all(schema == schemas[0] for schema in schemas)


def without_conversion(survey: Survey, going: Collection[Ref]) -> Iterator[Action]:
    """The CRDs whose conversion strategy is set to None before their Service is deleted."""
    for found, service in losing(survey, going):
        if is_dispensable(found):
            reason = f"gets conversion strategy None: {service.display}, which converts it, is deleted"
            yield Action("apply", found, f"{reason}, and its versions have the same schema")
