"""The table of commands. Each is a module of this package: its `run` takes a line and returns the exit code.

What their options are stands in `options`; how a flow is run, followed and ended, in
`running`, `screen` and `signals`. A command's module is imported once it is known
which: it needs all of the program, while this table costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_glasskube_purge.cli import options
from kubectl_glasskube_purge.cli.options import Completes, Option, Options, switch, text

CONNECTION = "Connection, as in kubectl"

Sections = tuple[tuple[str, Options], ...]
"""Headings and what stands under them."""


@dataclass(frozen=True)
class Command:
    """One command. The purge has no name."""

    name: str
    summary: str
    description: str
    sections: Sections
    examples: tuple[tuple[str, str], ...] = ()
    """What for, and how."""
    argument: str = ""
    """What it takes besides options, as --help names it."""
    least: int = 0
    most: int = 0
    """How many of them; -1 for any number."""
    argument_values: tuple[str, ...] = ()
    argument_completes: Completes = ""

    @property
    def module(self) -> str:
        """Its module in this package."""
        return self.name.replace("-", "_") or "purge"

    @property
    def options(self) -> Mapping[str, Option[Any]]:
        """Its options by every name they have."""
        return {
            name: option
            for _, options in self.sections
            for option in options
            for name in (option.name, option.short)
            if name
        }


def _sections(*own: tuple[str, Options], output: Options = (), namespace: Option[str] = options.NAMESPACE) -> Sections:
    """A command's own sections, and those that all have."""
    return (*own, ("Output", (*output, *options.COMMON)), (CONNECTION, (*options.KUBECTL, namespace)))


PURGE = Command(
    "",
    "Remove Glasskube from the cluster",
    "Removes Glasskube from a Kubernetes cluster: completely, in the right order,"
    " nothing else. Shows what will be deleted and asks; deletes, waits, and verifies.",
    _sections(
        ("What happens", (options.dry_run("delete"), options.YES, options.WAIT_IDLE, options.TIMEOUT, options.ROLE)),
        (
            "What is deleted, and what is kept",
            (
                *options.DECIDING,
                switch("--ignore-gitops", "Go on where Argo CD, Flux or Helm would put it back."),
                switch("--ignore-busy", "Cut off work under way."),
            ),
        ),
        ("The way back", (options.BACKUP, options.NO_BACKUP, options.ROLLBACK)),
        ("The way on", (options.EXPORT, options.EXPORT_FORMAT)),
        ("What was installed", (options.GLASSKUBE_VERSION, *options.SOURCES)),
        output=(options.output("human", "wide", "json", "yaml", "jsonl", "name"), options.REPORT),
    ),
    examples=(
        ("See what would go", "kubectl glasskube purge --dry-run"),
        ("Remove Glasskube, after a question", "kubectl glasskube purge"),
        ("In a script, with a report", "kubectl glasskube purge --context prod --yes -o json"),
        ("Leave Flux running", "kubectl glasskube purge --flux=keep"),
        ("Leave the packages running, too", "kubectl glasskube purge --keep-packages"),
    ),
)

VERIFY = Command(
    "verify",
    "Say what of Glasskube is in the cluster",
    "Says what of Glasskube, and of a Flux that it left, is in the cluster. Changes"
    " nothing. Exit code 0 where there is nothing, 5 where there is something.",
    _sections(
        ("What was installed", (options.GLASSKUBE_VERSION,)),
        output=(options.output("human", "wide", "json", "yaml", "name"),),
    ),
    examples=(("Is it gone?", "kubectl glasskube purge verify"),),
)

EXPLAIN = Command(
    "explain",
    "Why the purge would delete or keep an object",
    "Says whether the purge, with these options, would delete an object, and why. Changes nothing.",
    _sections(
        ("What is deleted, and what is kept", options.DECIDING),
        output=(options.output("human", "json", "yaml"),),
        namespace=text("--namespace", "Where the object is.", "NAME", short="-n"),
    ),
    examples=(
        ("Would this Deployment go?", "kubectl glasskube purge explain deployment.apps/web -n shop"),
        ("Why does Flux stay?", "kubectl glasskube purge explain namespace/flux-system"),
    ),
    argument="KIND/NAME",
    least=1,
    most=2,
)

RESTORE = Command(
    "restore",
    "Bring back what a purge removed, from its backup",
    "Brings back what a purge removed: from the files it wrote, oldest first, or from a release. Shows what"
    " will be restored and asks; applies, and waits until it is ready. Volumes come back empty.",
    _sections(
        ("What happens", (options.DRY_RUN, options.YES, options.TIMEOUT)),
        (
            "What comes back",
            (
                Option(
                    "--only",
                    "A part: flux, controllers, packages, KIND/NAME or KIND/NAMESPACE/NAME; may be given several"
                    " times.",
                    (),
                    metavar="PART",
                    repeated=True,
                ),
                switch("--overwrite", "Also objects that already exist."),
                switch(
                    "--trust-file",
                    "Consent to packages and to what gives rights, runs in system namespaces or is in no release, if"
                    " the file isn't a backup that this machine took of this cluster. --yes alone doesn't.",
                ),
                options.SIDECAR_IMAGE,
            ),
        ),
        ("Without a backup", (options.RELEASE, *options.SOURCES)),
        output=(options.output("human", "wide", "json", "yaml", "jsonl"),),
    ),
    examples=(
        ("From the file that the purge named", "kubectl glasskube purge restore prod-20261123T091142Z.yaml"),
        ("The packages alone", "kubectl glasskube purge restore prod.yaml --only packages"),
    ),
    argument="FILE...",
    most=-1,
    argument_completes="yaml",
)

LABEL = Command(
    "label",
    "Put one label system on everything that is Glasskube's",
    "Puts app.kubernetes.io/part-of=glasskube, /component and /version on everything that is Glasskube's, so that"
    " kubectl get -l shows the install. Labels of others stay as they are; what is shared with others gets none.",
    _sections(
        ("What happens", (options.dry_run("label"), options.YES, options.REMOVE)),
        output=(options.output("human", "wide", "json", "yaml", "jsonl"),),
    ),
    examples=(
        ("Label everything", "kubectl glasskube purge label"),
        ("Take the labels off again", "kubectl glasskube purge label --remove"),
    ),
)

VERSION = Command(
    "version",
    "The plugin's version, and that of the cluster's Glasskube",
    "Says the plugin's version, and which Glasskube is in the cluster.",
    _sections(output=(options.CLIENT, options.output("human", "json", "yaml"))),
    examples=(("Without a cluster, for a script", "kubectl glasskube purge version --client -o json"),),
)

EXPORT = Command(
    "export",
    "Write the packages as files for Helm, Flux or Argo CD",
    "Writes what the packages are (charts, versions, values, order, plain manifests) as files for helmfile, Helm, Flux,"
    " Argo CD or kustomize, into DIR or glasskube-export. Changes nothing in the cluster.",
    _sections(("What is written", (options.FORMAT, options.FROM, options.WITH_SECRETS))),
    examples=(
        ("For helmfile", "kubectl glasskube purge export packages"),
        ("For Flux, after a purge", "kubectl glasskube purge export for-flux --format=flux --from prod.yaml"),
    ),
    argument="DIR",
    most=1,
)

REPORT = Command(
    "report",
    "Render a report as an HTML page",
    "Renders a report that -o json printed as an HTML page: to stdout, or into the file that --report names.",
    _sections(output=(options.REPORT,)),
    examples=(("From a report of last week", "kubectl glasskube purge report purge.json --report purge.html"),),
    argument="FILE.json",
    least=1,
    most=1,
    argument_completes="json",
)

INSTALL_ALIAS = Command(
    "install-alias",
    "Make `kubectl glasskube purge` work after an install by krew",
    "krew installs this as `kubectl glasskube-purge`. This adds the name with a space, a link beside krew's own.",
    _sections(("What happens", (switch("--remove", "Take it away again, before krew uninstalls the plugin."),))),
    examples=(
        ("Once, after the install", "kubectl glasskube-purge install-alias"),
        ("Before `kubectl krew uninstall glasskube-purge`", "kubectl glasskube-purge install-alias --remove"),
    ),
)

COMPLETION = Command(
    "completion",
    "Print a shell's completion script",
    "Prints the script that makes a shell complete kubectl-glasskube_purge. Where kubectl's own"
    " completion is set up, `kubectl glasskube purge` is completed by it and needs none.",
    _sections(),
    examples=(
        ("In ~/.bashrc", "source <(kubectl glasskube purge completion bash)"),
        ("In ~/.zshrc", "source <(kubectl glasskube purge completion zsh)"),
        ("In ~/.config/fish/config.fish", "kubectl glasskube purge completion fish | source"),
        ("In $PROFILE", "kubectl glasskube purge completion powershell | Out-String | Invoke-Expression"),
    ),
    argument="SHELL",
    least=1,
    most=1,
    argument_values=("bash", "zsh", "fish", "powershell"),
)

HELP = Command(
    "help",
    "Help of a command, or what an error's code means",
    "Prints the help of a command, or what the troubleshooting page has about an error's code. Asks no cluster.",
    _sections(),
    examples=(
        ("What can restore do?", "kubectl glasskube purge help restore"),
        ("What does this code mean?", "kubectl glasskube purge help package-in-use"),
    ),
    argument="COMMAND|CODE",
    most=1,
    argument_completes="topic",
)

OPTIONS = Command(
    "options",
    "The global options",
    "Prints the options that every command has.",
    _sections(),
    examples=(("All of them", "kubectl glasskube purge options"),),
)

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        *(PURGE, VERIFY, EXPLAIN, RESTORE, LABEL, EXPORT, REPORT, COMPLETION, INSTALL_ALIAS, VERSION),
        *(HELP, OPTIONS),
    )
}
"""By name; the purge's is `""`."""
