"""Missing rights: the refusal, and the role that an admin applies."""

from __future__ import annotations

import anyio

from kubectl_glasskube_purge.kube.client import Client
from kubectl_glasskube_purge.kube.errors import KubeError
from kubectl_glasskube_purge.kube.problem import Problem, ProblemError
from kubectl_glasskube_purge.kube.reviews import who_am_i
from kubectl_glasskube_purge.kube.wording import plural
from kubectl_glasskube_purge.purge.act.rights import missing_rights, role_for, rules_for, rules_of
from kubectl_glasskube_purge.purge.model.plan import Plan
from kubectl_glasskube_purge.purge.model.survey import Survey


async def lacking(client: Client, found: Survey, *plans: Plan, to_file: bool) -> list[Problem]:
    """The refusal because of rights that the plans take and the user lacks, if any.

    With `to_file` the role is in a new file of the current folder, and the one command is to apply it. Otherwise, and
    if no file can be written, the command has the role in it. Raises `KubeError`.
    """
    missing = await missing_rights(client, found, *plans)
    if not missing:
        return []
    name = await user(client)
    verbs: dict[str, set[str]] = {}
    for review in missing:
        verbs.setdefault(review.kind, set()).add(review.verb)
    role = role_for(rules_for((one.group, one.resource, one.verb, one.name) for one in missing), name)
    message = f"you ({name}) lack {plural(len(missing), 'permission')} on {plural(len(verbs), 'kind')}"
    if to_file and (file := _new_file(role)):
        hint = f"The role is written to {file}. An admin runs this command:"
        return [Problem("rights", message, hint, copied=(f"kubectl apply -f {file}",))]
    return [
        Problem(
            "rights",
            message,
            "An admin runs this command:",
            copied=("kubectl apply -f - <<'EOF'", *role.splitlines(), "EOF"),
            details=tuple(f"{kind}: {', '.join(sorted(verbs[kind]))}" for kind in sorted(verbs)),
        )
    ]


def _new_file(role: str) -> str:
    """Writes the role to a file that didn't exist; `""` if the folder takes none."""
    number = 0
    while True:
        file = f"./purge-role{f'-{number}' if number else ''}.yaml"
        try:
            with open(file, "x", encoding="utf-8") as new:
                new.write(role)
        except FileExistsError:
            number += 1
        except OSError:
            return ""
        else:
            return file


async def user(client: Client) -> str:
    """The user's name, as the API server knows it."""
    try:
        return await who_am_i(client)
    except KubeError:
        return "<the user>"


async def write(client: Client, plan: Plan, file: str) -> None:
    """Writes the role that a plan takes. Raises `RoleNotWritten`."""
    role = role_for(rules_of(client.discovery, plan), await user(client))
    try:
        await anyio.Path(file).write_text(role, "utf-8")
    except OSError as error:
        raise RoleNotWritten(f"can't write {file}: {error.strerror or error}") from error


class RoleNotWritten(ProblemError):
    """The role can't be written to the file that the user names."""

    ending = "usage"
