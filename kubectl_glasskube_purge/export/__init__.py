"""Packages as files for other tools: Helm, helmfile, Flux, Argo CD, kustomize. Pure, but for `folder`."""
