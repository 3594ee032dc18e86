"""A command's function, called with the command line's values. typer's part in it.

`options` says what the options are called, a function's signature what they are
to it; here the two are joined, and typer converts and calls. What all commands
have in common comes in one parameter, `common`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from kubectl_glasskube_purge.kube.config.client_config import Flags, parse_timeout

from .arguments import Line
from .options import Command, Option
from .usage import PROGRAM

Run = Callable[..., int]


@dataclass(frozen=True)
class Common:
    """What the options that every command has come to."""

    flags: Flags = field(default_factory=Flags)
    plain: bool = False
    debug: bool = False
    verbosity: int = 0


def common(
    kubeconfig: str | None = None,
    context: str | None = None,
    cluster: str | None = None,
    user: str | None = None,
    server: str | None = None,
    token: str | None = None,
    as_user: str | None = None,
    as_groups: list[str] | None = None,
    as_uid: str | None = None,
    certificate_authority: str | None = None,
    client_certificate: str | None = None,
    client_key: str | None = None,
    insecure_skip_tls_verify: bool = False,
    tls_server_name: str | None = None,
    request_timeout: str | None = None,
    username: str | None = None,
    password: str | None = None,
    proxy_url: str | None = None,
    disable_compression: bool = False,
    plain: bool = False,
    debug: bool = False,
    verbosity: int = 0,
) -> Common:
    """kubectl's global flags with kubectl's meaning, and what else every command has."""
    flags = Flags(
        kubeconfig=kubeconfig,
        context=context,
        cluster=cluster,
        user=user,
        server=server,
        token=token,
        as_user=as_user,
        as_groups=tuple(as_groups or ()),
        as_uid=as_uid,
        certificate_authority=certificate_authority,
        client_certificate=client_certificate,
        client_key=client_key,
        insecure_skip_tls_verify=insecure_skip_tls_verify,
        tls_server_name=tls_server_name,
        request_timeout=None if request_timeout is None else parse_timeout(request_timeout),
        username=username,
        password=password,
        proxy_url=proxy_url,
        disable_compression=disable_compression,
    )
    return Common(flags, plain=plain, debug=debug, verbosity=verbosity)


def call(function: Run, line: Line) -> int:
    """Runs a command's function with the values of a command line; returns its exit code."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(add_help_option=False)(bound(function, line.command))
    taken = {*inspect.signature(function).parameters, *inspect.signature(common).parameters}
    # The others were dealt with before: --help, and -n where there is only one it takes.
    values = {name: given for name, given in line.values.items() if line.command.options[name].parameter in taken}
    words = Line(line.command, values, line.arguments).words
    code: int = typer.main.get_command(app).main(list(words), prog_name=PROGRAM, standalone_mode=False)
    return code


def bound(function: Run, command: Command) -> Run:
    """The function with typer's declarations in its signature, made from the command's options."""
    options = {option.parameter: option for option in command.options.values()}
    own = inspect.signature(function, eval_str=True).parameters
    shared = inspect.signature(common, eval_str=True).parameters

    def wrapped(**values: Any) -> int:
        return function(common=common(**{name: values.pop(name) for name in shared}), **values)

    parameters = [parameter for name, parameter in own.items() if name != "common"] + list(shared.values())
    declared = [_declared(parameter, options) for parameter in parameters]
    wrapped.__signature__ = inspect.Signature(declared)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in declared}
    return wrapped


def _declared(parameter: inspect.Parameter, options: dict[str, Option]) -> inspect.Parameter:
    option = options.get(parameter.name)
    declaration = typer.Option(option.name) if option else typer.Argument()
    return parameter.replace(
        kind=inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[parameter.annotation, declaration]
    )
